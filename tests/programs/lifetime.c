/*
 * How long a buffer lives, and who may do what with it meanwhile: exports,
 * mappings, orphans, ownership of the queue, imports.
 *
 *	lifetime [-l] [-g GROUP]... [-v] CAPTURE OUTPUT
 */
#include "lifetime.h"

int main(int argc, char **argv)
{
	static const struct group *const groups[] = {
		&lifetime_expbuf, &lifetime_export, &lifetime_mapping,
		&lifetime_orphan, &lifetime_owner, &lifetime_import,
		&lifetime_queue, NULL
	};

	return check_main("lifetime", groups, argc, argv);
}
