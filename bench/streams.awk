# The table of tools/bench-streams, from its sorted figures. After bench/table.awk.
#
#   -v SIZES="WxH..." -v FPS=N -v CTL_FPS=N -v LOOPBACK=VERSION

# What a frame costs, less idling.
function cost(name) { return at[name] - at["idle"] }

# v4l2-ctl on one kind of node: frames a second, and what a frame costs.
function stream(what, kind, size) {
    line(what ", " size, sprintf("%.1f", fastest["fast-" kind ":" size]), us(at["paced-" kind ":" size] - at["idle"] * FPS / CTL_FPS))
}

# A goal about what ours costs as a part of what theirs does; where it is missed, whose time it is.
function compare(what, ours, theirs, size, goal,   ratio) {
    ratio = cost(ours ":" size) / cost(theirs ":" size)
    if (!line(what ", " size, sprintf("%.2f", ratio), "", goal == "" ? "" : sprintf("at most %.2f", goal), ratio <= goal))
        explain(parts[ours ":" size], parts[theirs ":" size])
}

function explain(ours, theirs,   o, t) {
    split(ours, o, " ")
    split(theirs, t, " ")
    printf "    us a frame, ours: daemon %s, reader %s, display %s, rest %s; its: writer %s, reader %s, rest %s\n", \
        us(o[2]), us(o[3]), us(o[4]), us(o[5]), us(t[2]), us(t[3]), us(t[5])
}

END {
    n = split(SIZES, size, " ")
    if (!(("paced-loop:" size[n]) in at)) { print "  the measuring did not come to its end"; exit 1 }
    printf "streams, in a guest of the engine qemu, v4l2loopback %s:\n", LOOPBACK
    printf "  %-48s %10s %10s\n", "v4l2-ctl --stream-mmap, with the making of frames", "frames/s", "us a frame"
    for (i = 1; i <= n; i++) stream("our node, static: drawn once", "still", size[i])
    for (i = 1; i <= n; i++) stream("our node, moving: the daemon draws", "moving", size[i])
    for (i = 1; i <= n; i++) stream("vivid: the kernel draws", "vivid", size[i])
    for (i = 1; i <= n; i++) stream("v4l2loopback: write(2) of one frame", "loop", size[i])
    print "    (frames/s: the most there were, of 1000, or what vivid has; us: at " CTL_FPS " frames/s, less idling)"

    printf "  %-48s %10s %10s   %s\n", "hand-over, whole guest, " FPS " frames/s", "lowest us", "median us", "goal"
    line("nothing at all, as long as a frame", us(at["idle"]), us(p99["idle"]))
    for (i = 1; i <= n; i++) line("ours by DMABUF, to the display, " size[i], us(at["dmabuf:" size[i]]), us(p99["dmabuf:" size[i]]))
    for (i = 1; i <= n; i++) line("ours by mmap, " size[i], us(at["mmap:" size[i]]), us(p99["mmap:" size[i]]))
    for (i = 1; i <= n; i++) line("v4l2loopback, write(2), " size[i], us(at["loop-write:" size[i]]), us(p99["loop-write:" size[i]]))
    for (i = 1; i <= n; i++) line("v4l2loopback, the writer maps, " size[i], us(at["loop-mmap:" size[i]]), us(p99["loop-mmap:" size[i]]))

    print "  less idling, ours as a part of v4l2loopback's:"
    for (i = 1; i <= n; i++) compare("DMABUF / its write(2)", "dmabuf", "loop-write", size[i], i == 2 ? 1 / 3 : i == 3 ? 1 / 10 : "")
    for (i = 1; i <= n; i++) compare("mmap / its write(2)", "mmap", "loop-write", size[i], 1)
    for (i = 1; i <= n; i++) compare("mmap / its writer that maps", "mmap", "loop-mmap", size[i], 1)
    # A writer of write(2) costs one copy: what it costs more at the largest size than at the smallest is a
    # copy of so many bytes.
    copies = (cost("mmap:" size[n]) - cost("mmap:" size[1])) / (cost("loop-write:" size[n]) - cost("loop-write:" size[1]))
    line("copies between our source and the reader, by mmap", sprintf("%.2f", copies), "", "none: at most 0.05", copies <= .05)

    printf "  what that is made of, us a frame (the cheapest batch):\n    %-46s %9s %9s %9s %9s %9s\n", \
        "", "all", "source", "reader", "display", "rest"
    for (i = 1; i <= n; i++) profile("ours by DMABUF, " size[i], "dmabuf:" size[i])
    for (i = 1; i <= n; i++) profile("ours by mmap, " size[i], "mmap:" size[i])
    for (i = 1; i <= n; i++) profile("v4l2loopback, write(2), " size[i], "loop-write:" size[i])
    for (i = 1; i <= n; i++) profile("v4l2loopback, the writer maps, " size[i], "loop-mmap:" size[i])
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
