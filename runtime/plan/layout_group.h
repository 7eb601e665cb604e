/* A group of the layout problem being put together: ports, and configurations as rows of candidates. */
#ifndef CLAST_PLAN_LAYOUT_GROUP_H
#define CLAST_PLAN_LAYOUT_GROUP_H

#include "layout.h"

#define GROUP_MAX_PORTS 256
#define GROUP_MAX_CONFIGS 16384
#define GROUP_MAX_ENTRIES (1 << 16) /* configurations times ports */

typedef struct group_builder {
	problem_port port[GROUP_MAX_PORTS];
	port_owner owner[GROUP_MAX_PORTS];
	uint32_t ports, configs, native;
	size_t left_out; /* configurations and ports for which there was no room */
	uint16_t order[GROUP_MAX_ENTRIES + GROUP_MAX_PORTS]; /* the configuration behind the last is being written */
	uint64_t cost[GROUP_MAX_CONFIGS + 1];
} group_builder;

void group_reset(group_builder *b);
/* id: the node whose input or output `input` it is, NO_ID if it is none. False if there are too many. */
bool group_port(layout *l, group_builder *b, value_id v, bool produced, node_id id, uint32_t input);
/* The configuration behind the last becomes one of the group, if there is room. */
bool group_keep(group_builder *b);
/* Adds the group to the problem, without configurations that the caller's orders rule out. */
clast_status group_done(layout *l, group_builder *b);
/* One port in one order. */
clast_status group_fixed(layout *l, group_builder *b, value_id v, bool produced, uint32_t wanted);

/* What passes through the bodies of a node: what goes in with `enters`, all else without. */
clast_status layout_tie_groups(layout *l, group_builder *b, node_id id, bool enters);

/* Whether some order serves a way other than the first, which alone would leave input and output independent of one another. */
bool layout_ways_matter(layout *l, node_id id, const lower_way *ways, size_t count);
/* Input 0 and output 0 together, a configuration for each pair of orders that a way serves. */
clast_status layout_way_group(layout *l, group_builder *b, node_id id, const lower_way *ways, size_t count);

#endif
