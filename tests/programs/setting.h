/* A control of a node, to be changed. */
#ifndef SETTING_H
#define SETTING_H

#include <stdint.h>

/* A control that can be set to two values. */
struct setting {
	uint32_t id;
	int32_t low, high;
};

/* The first such control of the node; ends the check as skipped if there's none. */
struct setting find_setting(int fd);
void set_control(int fd, uint32_t id, int32_t value);
int32_t get_control(int fd, uint32_t id);

#endif
