/* Attributes of Attention and RotaryEmbedding. */
#ifndef CLAST_ATTENTION_ATTRS_H
#define CLAST_ATTENTION_ATTRS_H

#include "infer.h"

/* What output 3 of Attention holds. */
typedef enum attention_scores {
	SCORES_PRODUCT, /* scaled products of queries and keys */
	SCORES_CAPPED,  /* after softcap */
	SCORES_BIASED,  /* after masks */
	SCORES_SOFTMAX
} attention_scores;

typedef struct attention_attrs {
	bool is_causal;
	int64_t q_num_heads, kv_num_heads; /* needed for operands of rank 3 */
	int64_t scores;                    /* attention_scores */
	float scale;                       /* 0: 1 / sqrt(head size) */
	float softcap;                     /* 0: none */
	clast_dtype softmax_precision;
	int64_t left_window, right_window; /* -1: unbounded */
} attention_attrs;

typedef struct rotary_attrs {
	int64_t num_heads; /* needed for rank 3 */
	int64_t dimension; /* leading elements of a head that are rotated; 0: all */
	bool interleaved;
} rotary_attrs;

#endif
