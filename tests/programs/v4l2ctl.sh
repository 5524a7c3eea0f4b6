#!/bin/bash
# v4l2-ctl's own streaming on a capture and an output node: frames flow, and the counts are right.
#
#   v4l2ctl CAPTURE OUTPUT
#
# v4l2-ctl is the one in PATH. Prints a line for each check, as the other test programs do.
# Exit status: 0 fine, 1 a check failed, 2 usage, 77 the nodes can't be used.
set -u

readonly FRAMES=10
readonly SECONDS_AT_MOST=60  # one call; a second or two under emulation
readonly RATE=25             # frames a second asked of the capture node, where it lets itself be asked
readonly SMALL=width=320,height=180
readonly LARGE=width=1280,height=720

[ $# -eq 2 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
capture=$1 output=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# call WORDS...: v4l2-ctl with a time limit; what it says goes to $work/said
call() { timeout -k 5 "$SECONDS_AT_MOST" v4l2-ctl "$@" >"$work/said" 2>&1; }

# format capture|output SIZE
format() {
    if [ "$1" = capture ]; then
        call -d "$capture" --set-fmt-video "$2,pixelformat=$pixels"
    else
        call -d "$output" --set-fmt-video-out "$2,pixelformat=$pixels"
    fi
}

# frame_bytes: of the capture node's present format, all planes together
frame_bytes() {
    call -d "$capture" --get-fmt-video
    awk '/Size Image/ { bytes += $NF } END { print bytes + 0 }' "$work/said"
}

# verdict NAME WHAT EXPECTED GOT
verdict() {
    if [ "$3" = "$4" ]; then
        echo "ok   v4l2ctl/$1: $2 -> $3"
        passed=$((passed + 1))
    else
        echo "FAIL v4l2ctl/$1: $2 -> got $4, expected $3"
        awk '{ print "#    " $0 }' "$work/said"  # the last line may lack its end
        failed=$((failed + 1))
    fi
}

# captures NAME WHAT WORDS...: FRAMES frames into a file
captures() {
    local name=$1 what=$2 status=0 bytes count
    shift 2
    bytes=$(frame_bytes)
    rm -f "$work/frames"
    call -d "$capture" "$@" --stream-count "$FRAMES" --stream-to "$work/frames" || status=$?
    count=$(stat -c %s "$work/frames" 2>/dev/null || echo 0)
    [ "$bytes" -gt 0 ] && [ $((count % bytes)) -eq 0 ] && count="$((count / bytes)) whole frames" || count="$count bytes"
    verdict "$name" "$what" "status 0, $FRAMES whole frames" "status $status, $count"
}

# puts_out NAME WHAT WORDS...: v4l2-ctl shows a '>' for each buffer
puts_out() {
    local name=$1 what=$2 status=0 count
    shift 2
    call -d "$output" "$@" --stream-count "$FRAMES" || status=$?
    count=$(tr -dc '>' <"$work/said" | wc -c)
    verdict "$name" "$what" "status 0, $FRAMES frames" "status $status, $count frames"
}

for node in "$capture" "$output"; do
    call -d "$node" --info || { echo "v4l2ctl: v4l2-ctl can't use $node:" >&2; cat "$work/said" >&2; exit 77; }
done
pixels=YUYV
if grep -q Multiplanar "$work/said"; then pixels=YM12; fi
call -d "$capture" --set-parm "$RATE" || true

format capture "$SMALL"
format output "$LARGE"
captures capture-stream-mmap 'v4l2-ctl --stream-mmap' --stream-mmap
captures capture-stream-user 'v4l2-ctl --stream-user' --stream-user
captures capture-stream-dmabuf "v4l2-ctl --stream-dmabuf with the output node's exports" \
    --stream-dmabuf --export-device "$output"
puts_out output-stream-mmap 'v4l2-ctl --stream-out-mmap' --stream-out-mmap
puts_out output-stream-user 'v4l2-ctl --stream-out-user' --stream-out-user
captures pair-output-exports 'v4l2-ctl --out-device, the output node exporting' \
    --out-device "$output" --stream-dmabuf --stream-out-mmap
format capture "$LARGE"
format output "$SMALL"
puts_out output-stream-dmabuf "v4l2-ctl --stream-out-dmabuf with the capture node's exports" \
    --stream-out-dmabuf --export-device "$capture"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
