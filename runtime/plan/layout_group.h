/* A group of the layout problem being put together: ports, and configurations as rows of candidates. */
#ifndef CLAST_PLAN_LAYOUT_GROUP_H
#define CLAST_PLAN_LAYOUT_GROUP_H

#include "layout.h"

#define GROUP_MAX_PORTS 256
#define GROUP_MAX_CONFIGS 4096
#define GROUP_MAX_ENTRIES (1 << 16) /* configurations times ports */

typedef struct group_builder {
	problem_port port[GROUP_MAX_PORTS];
	port_owner owner[GROUP_MAX_PORTS];
	uint32_t ports, configs, native;
	uint16_t order[GROUP_MAX_ENTRIES];
	uint64_t cost[GROUP_MAX_CONFIGS];
} group_builder;

void group_reset(group_builder *b);
/* id: the node whose input or output `input` it is, NO_ID if it is none. False if there are too many. */
bool group_port(layout *l, group_builder *b, value_id v, bool produced, node_id id, uint32_t input);
bool group_has_room(const group_builder *b);
/* Adds the group to the problem, without configurations that the caller's orders rule out. */
clast_status group_done(layout *l, group_builder *b);
/* One port in one order. */
clast_status group_fixed(layout *l, group_builder *b, value_id v, bool produced, uint32_t wanted);

/* What passes through the bodies of a node: what goes in with `enters`, all else without. */
clast_status layout_tie_groups(layout *l, group_builder *b, node_id id, bool enters);

#endif
