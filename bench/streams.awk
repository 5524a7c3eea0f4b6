# The table of tools/bench-streams, from its sorted figures. After bench/table.awk.
#
#   -v SIZES="WxH..." -v FPS=N -v CTL_FPS="N..." -v LOOPBACK=VERSION

# What a frame costs, less idling.
function cost(name) { return at[name] - at["idle"] }

# v4l2-ctl on one kind of node: frames a second, and what a frame costs.
function streams(what, kind,   i, fast) {
    fast = kind == "vivid" ? "paced-" : "fast-"
    for (i = 1; i <= n; i++)
        line(what ", " size[i], sprintf("%.1f", fastest[fast kind ":" size[i]]), us(at["paced-" kind ":" size[i]] - at["idle"] * FPS / pace[i]))
}

# A kind of hand-over, at all sizes.
function handover(what, name,   i) {
    for (i = 1; i <= n; i++) line(what ", " size[i], us(at[name ":" size[i]]), us(p99[name ":" size[i]]))
}

# What ours costs as a part of what theirs does, and the goal for that; where it is missed, whose time it is.
function compare(what, ours, theirs, i, goal,   mine, its, ratio) {
    mine = cost(ours ":" size[i])
    its = cost(theirs ":" size[i])
    # What costs no more than idling does is cheaper than anything.
    ratio = its > 0 ? mine / its : 99.99
    if (line(what ", " size[i], sprintf("%.2f", ratio), "", goal == "" ? "" : sprintf("at most %.2f", goal), ratio <= goal))
        return
    whose("ours", ours ":" size[i], "daemon")
    whose("its", theirs ":" size[i], "writer")
    printf "    %d QUERYCAPs at that pace, so many calls and no frame, are %s us\n", calls_of[ours], us(cost("paced") * calls_of[ours] / 4)
}

# Whose time a frame's cost is, in the cheapest batch.
function whose(what, name, source,   part) {
    split(parts[name], part, " ")
    printf "    %s, %s us: %s %s, reader %s, display %s, rest %s\n", what, us(cost(name)), source, us(part[2]), us(part[3]), us(part[4]), us(part[5] - at["idle"])
}

END {
    n = split(SIZES, size, " ")
    calls_of["dmabuf"] = 4
    calls_of["mmap"] = 2
    split(CTL_FPS, pace, " ")
    if (!(("paced-loop:" size[n]) in at)) { print "  the measuring did not come to its end"; exit 1 }
    printf "streams, in a guest of the engine qemu, v4l2loopback %s:\n", LOOPBACK
    printf "  %-48s %10s %10s\n", "v4l2-ctl --stream-mmap", "frames/s", "us a frame"
    streams("our node, static: nothing is drawn", "still")
    streams("our node, moving: the daemon draws", "moving")
    streams("vivid: the kernel draws", "vivid")
    streams("v4l2loopback: write(2) of one frame", "loop")
    print "    (frames/s: the most that came, vivid's own pace but for that; us: processor time of the whole"
    print "    guest less idling, at " CTL_FPS " frames/s, with the making of the frames: the slower the pace,"
    print "    the dearer is each wake)"

    printf "  %-48s %10s %10s   %s\n", "hand-over, the whole guest, " FPS " frames/s", "lowest us", "median us", "goal"
    line("nothing at all, as long as a frame", us(at["idle"]), us(p99["idle"]))
    line("4 QUERYCAPs of two processes, and no frame", us(at["paced"]), us(p99["paced"]))
    handover("ours by DMABUF, to the display", "dmabuf")
    handover("ours by mmap", "mmap")
    handover("v4l2loopback, write(2)", "loop-write")
    handover("v4l2loopback, its writer maps", "loop-mmap")

    print "  less idling, ours as a part of v4l2loopback's:"
    for (i = 1; i <= n; i++) compare("DMABUF / write(2)", "dmabuf", "loop-write", i, i == 2 ? 1 / 3 : i == 3 ? 1 / 10 : "")
    for (i = 1; i <= n; i++) compare("mmap / write(2)", "mmap", "loop-write", i, 1)
    for (i = 1; i <= n; i++) compare("mmap / its writer maps, no copy either", "mmap", "loop-mmap", i, 1)
    # A writer of write(2) costs one copy: what it costs more at the largest size than at the smallest is a
    # copy of so many bytes.
    copies = (cost("mmap:" size[n]) - cost("mmap:" size[1])) / (cost("loop-write:" size[n]) - cost("loop-write:" size[1]))
    line("copies between our source and the reader, by mmap", sprintf("%.2f", copies), "", "none: at most 0.05", copies <= .05)

    printf "  what that is made of, us a frame (the cheapest batch):\n    %-46s %9s %9s %9s %9s %9s\n", \
        "", "all", "source", "reader", "display", "rest"
    for (i = 1; i <= n; i++) profile("ours by DMABUF, " size[i], "dmabuf:" size[i])
    for (i = 1; i <= n; i++) profile("ours by mmap, " size[i], "mmap:" size[i])
    for (i = 1; i <= n; i++) profile("v4l2loopback, write(2), " size[i], "loop-write:" size[i])
    for (i = 1; i <= n; i++) profile("v4l2loopback, its writer maps, " size[i], "loop-mmap:" size[i])
    each = times["call", "reader", "DQBUF"]
    theirs = times["ask", "reader", "DQBUF"]
    if (each && theirs) {
        print "  system calls, a frame by mmap:"
        print "    our reader: " calls("call", "reader", each)
        print "    our daemon: " calls("call", "daemon", each)
        print "    v4l2loopback's reader: " calls("ask", "reader", theirs)
        print "    its writer of write(2): " calls("ask", "writer", theirs)
    }
    for (name in at) if (name ~ /^skipped:/ && at[name] > 0) printf "  (%s: %d frames were dropped)\n", substr(name, 9), at[name]
    printf "  %d goals missed\n", missed
}
