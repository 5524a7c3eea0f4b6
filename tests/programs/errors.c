/*
 * Wrong calls and their errors: each ioctl with bad sizes, pointers and values,
 * in the wrong order, by the wrong opener.
 *
 *	errors [-l] [-g GROUP]... [-v] CAPTURE OUTPUT
 */
#include "errors.h"

int main(int argc, char **argv)
{
	static const struct group *const groups[] = {
		&errors_size, &errors_pointer, &errors_unknown, &errors_value,
		&errors_control, &errors_allocate, &errors_queue, &errors_content,
		&errors_planes, &errors_owner, &errors_access, &errors_reserved, NULL
	};

	return check_main("errors", groups, argc, argv);
}
