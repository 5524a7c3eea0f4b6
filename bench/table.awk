# What the tables of tools/bench-nodes and tools/bench-streams share: it reads the sorted figures, and has
# their lines. at[NAME] is a figure's first number or the cheapest batch; p99[NAME] its second number or the
# batch in the middle.

function us(ns) { return sprintf("%.1f", ns / 1000) }

function line(what, median, p99, goal, met) {
    printf "  %-48s %10s %10s   %s\n", what, median, p99, goal == "" ? "" : goal (met ? ": met" : ": MISSED")
    if (goal != "" && !met) missed++
    return goal == "" || met
}

# One row of the profile: whose time it was, in the cheapest batch.
function profile(what, name,   n, i, row) {
    row = sprintf("    %-46s", what)
    n = split(parts[name], part, " ")
    for (i = 1; i <= n; i++) row = row sprintf(" %9s", us(part[i]))
    print row
}

# The calls of one process, a frame (or a QUERYCAP) in the mean.
function calls(word, who, each,   list, text, key, k) {
    for (k = 1; k <= order[word, who]; k++) {
        key = word SUBSEP who SUBSEP k
        if (number[key] / each >= .05) text = text (text == "" ? "" : ", ") sprintf("%s %.1f", what_of[key], number[key] / each)
    }
    return text == "" ? "none" : text
}

# The batches of a kind come in order of their cost. What else the machine does can only make one
# dearer: the cheapest tells most.
$1 == "batch" {
    k = ++count[$2]
    batch[$2, k] = $3
    if (k == 1) { at[$2] = $3; parts[$2] = $3 " " $4 " " $5 " " $6 " " $7 }
    p99[$2] = batch[$2, int((k + 1) / 2)]
    next
}
# The fastest batch, in thousandths of a frame a second.
$1 == "rate" { fastest[$2] = $3 / 1000; next }
$1 == "call" || $1 == "ask" {
    k = ++order[$1, $2]
    what_of[$1, $2, k] = $3
    number[$1, $2, k] = $4
    times[$1, $2, $3] = $4
    next
}
/^skipped:/ { at[$1] += $2; next }
{ at[$1] = $2; p99[$1] = $3 }
