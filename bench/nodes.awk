# The table of tools/bench-nodes, from its sorted figures. After bench/table.awk.
#
#   -v SIZES="WxH..." -v ENGINE=uml|qemu -v FPS=N

END {
    if (!("rss" in at)) { print "  the measuring did not come to its end"; exit 1 }
    printf "nodes, in a guest of the engine " ENGINE ":\n  %-48s %10s %10s   %s\n", "", "median us", "p99 us", "goal"
    line("QUERYCAP", us(at["querycap"]), us(p99["querycap"]))
    line("memo.rs, an ioctl of 4 bytes", us(at["memo"]), us(p99["memo"]))
    ratio = at["querycap"] / at["memo"]
    line("QUERYCAP / memo.rs", sprintf("%.2f", ratio), "", "at most 1.15", ratio <= 1.15)
    asked = times["ask", "client", "QUERYCAP"]
    if (asked) {
        print "    system calls behind a QUERYCAP: " calls("ask", "daemon", asked)
        print "    behind an ioctl of memo.rs:     " calls("ask", "memo", asked)
    }
    line("EXPBUF + close, a buffer's first", us(at["expbuf-first"]), us(p99["expbuf-first"]))
    line("EXPBUF + close, again", us(at["expbuf-again"]), us(p99["expbuf-again"]))
    line("REQBUFS, a program's first: the descriptor's swap", us(at["reqbufs-mapped"]), us(p99["reqbufs-mapped"]))
    line("REQBUFS of a program that maps nothing: no swap", us(at["reqbufs-unmapped"]), us(p99["reqbufs-unmapped"]))
    line("  the difference: what the swap costs", us(at["reqbufs-mapped"] - at["reqbufs-unmapped"]), "")
    if ("vivid-querycap" in at) {
        line("vivid: QUERYCAP", us(at["vivid-querycap"]), us(p99["vivid-querycap"]))
        line("vivid: EXPBUF + close, a buffer's first", us(at["vivid-expbuf-first"]), us(p99["vivid-expbuf-first"]))
        line("vivid: EXPBUF + close, again", us(at["vivid-expbuf-again"]), us(p99["vivid-expbuf-again"]))
        line("vivid: REQBUFS", us(at["vivid-reqbufs"]), us(p99["vivid-reqbufs"]))
    }

    n = split(SIZES, size, " ")
    printf "  %-48s %10s %10s\n", "processor time of the whole guest, a call or frame", "lowest us", "median us"
    line("QUERYCAP, one after the other", us(at["trip"]), us(p99["trip"]))
    line("nothing at all, as long as a frame", us(at["idle"]), us(p99["idle"]))
    line("4 QUERYCAPs of two processes, " FPS " times a second", us(at["paced"]), us(p99["paced"]))
    for (i = 1; i <= n; i++) {
        cost = at["pass:" size[i]] - at["idle"]
        if (i == 1 || cost < lowest) { lowest = cost; low = size[i] }
        if (i == 1 || cost > highest) { highest = cost; high = size[i] }
        line("frame passed on, " size[i], us(at["pass:" size[i]]), us(p99["pass:" size[i]]))
    }
    flat = lowest > 0 ? highest / lowest - 1 : 9.99
    if (!line("  less nothing: highest over lowest", sprintf("%+.0f %%", flat * 100), "", "at most +10 %", flat <= .1)) {
        split(parts["pass:" low], cheap, " ")
        split(parts["pass:" high], dear, " ")
        printf "    %s over %s: daemon %+.1f, camera %+.1f, display %+.1f, rest %+.1f us;\n", high, low, (dear[2] - cheap[2]) / 1000, \
            (dear[3] - cheap[3]) / 1000, (dear[4] - cheap[4]) / 1000, (dear[5] - cheap[5]) / 1000
        printf "    of one size, the batch in the middle is up to %.0f %% over the cheapest\n", spread() * 100
    }
    trips = highest / at["trip"]
    if (!line("  less nothing: highest, in QUERYCAPs", sprintf("%.1f", trips), "", "at most 6", trips <= 6))
        printf "    of them %.1f are what 4 QUERYCAPs cost at that pace\n", (at["paced"] - at["idle"]) / at["trip"]
    for (i = 1; i <= n; i++) line("frame copied, " size[i], us(at["copy:" size[i]]), us(p99["copy:" size[i]]))
    for (i = 1; i <= n; i++) line("moving source, frame passed on, " size[i], us(at["moving:" size[i]]), us(p99["moving:" size[i]]))

    printf "  what that is made of, us a frame (the cheapest batch):\n    %-46s %9s %9s %9s %9s %9s\n", \
        "", "all", "daemon", "camera", "display", ENGINE == "uml" ? "kernel" : "rest"
    profile("4 QUERYCAPs at that pace", "paced")
    for (i = 1; i <= n; i++) profile("frame passed on, " size[i], "pass:" size[i])
    for (i = 1; i <= n; i++) profile("moving source, " size[i], "moving:" size[i])
    crossed = times["call", "camera", "DQBUF"]
    if (crossed) {
        print "  system calls, a frame passed on:"
        print "    camera:  " calls("call", "camera", crossed)
        print "    display: " calls("call", "display", crossed)
        print "    daemon:  " calls("call", "daemon", crossed)
    }

    mib = at["rss"] / 1024
    line("daemon, resident without buffers, MB", sprintf("%.1f", mib), "", "at most 16", mib <= 16)
    line("  its " p99["rss"] " helper processes' own, MB", sprintf("%.1f", at["helpers"] / 1024), "")
    for (name in at) if (name ~ /^skipped:/ && at[name] > 0) printf "  (%s: the camera dropped %d frames)\n", substr(name, 9), at[name]
    printf "  %d goals missed\n", missed
}

# How far the batches of one size lie apart, at most: the middle one over the cheapest.
function spread(   i, most, name) {
    for (i = 1; i <= n; i++) {
        name = "pass:" size[i]
        if (p99[name] / at[name] - 1 > most) most = p99[name] / at[name] - 1
    }
    return most
}
