# The kernel's test driver vivid as the judge of our nodes: sourced by tools/oracle and
# tools/compliance-table. This is the one place where its parameters are written down.
# shellcheck shell=bash
#
# node_types:  0x1 a capture node, 0x100 an output node, 0x101 both
# input_types: 0x0 a webcam, 0x2 S-Video
# multiplanar: 1 single-planar, 2 multi-planar
# The rest: one input and one output, no cropping, composing or scaling, no controls that inject
# errors: no more than our own nodes have. A list has a value for each device.

# vivid_one NODE_TYPES INPUT_TYPE PLANES: the --module argument for one device
vivid_one() {
    echo "vivid,n_devs=1,node_types=$1,num_inputs=1,input_types=$2,num_outputs=1,output_types=0x0" \
        "ccs_cap_mode=0,ccs_out_mode=0,multiplanar=$3,no_error_inj=1" | tr ' ' ,
}

# vivid_two PLANES: for two devices as ours are two, a capture node and an output node
vivid_two() {
    echo "vivid,n_devs=2,node_types=0x1,0x100,num_inputs=1,1,input_types=0x0,0x0,num_outputs=1,1" \
        "output_types=0x0,0x0,ccs_cap_mode=0,0,ccs_out_mode=0,0,multiplanar=$1,$1,no_error_inj=1" | tr ' ' ,
}

# vivid_node cap|out: the path of vivid's capture or output node in this guest
vivid_node() {
    local name
    for name in /sys/class/video4linux/video*/name; do
        case $(cat "$name") in
            vivid-*-vid-"$1") basename "$(dirname "$name")" | sed 's,^,/dev/,'; return ;;
        esac
    done
    echo "this guest has no vivid-*-vid-$1 node" >&2
    return 1
}
