/* Copies, fills and elementwise programs. */
#include <stdlib.h>

#include "work.h"

typedef struct walk {
	size_t rank, extent[KERNEL_MAX_AXES];
	ptrdiff_t out[KERNEL_MAX_AXES], in[KERNEL_MAX_AXES];
} walk;

static void swap_axes(walk *x, size_t i, size_t j)
{
	const size_t e = x->extent[i];
	const ptrdiff_t o = x->out[i], n = x->in[i];
	x->extent[i] = x->extent[j];
	x->out[i] = x->out[j];
	x->in[i] = x->in[j];
	x->extent[j] = e;
	x->out[j] = o;
	x->in[j] = n;
}

/* At least two axes; the last is the fastest of the output, the one before it the fastest of the input. */
static void arrange(walk *x)
{
	if (!x->rank)
		x->extent[x->rank++] = 1;
	if (x->rank == 1) {
		x->extent[1] = x->extent[0];
		x->out[1] = x->out[0];
		x->in[1] = x->in[0];
		x->extent[0] = 1;
		x->out[0] = x->in[0] = 0;
		x->rank = 2;
	}
	const size_t last = x->rank - 1;
	size_t best = last;
	for (size_t i = 0; i < x->rank; i++)
		if (x->extent[i] > 1 && (x->extent[best] == 1 || labs(x->out[i]) < labs(x->out[best])))
			best = i;
	swap_axes(x, best, last);
	best = last - 1;
	for (size_t i = 0; i < last; i++)
		if (x->extent[i] > 1 && x->in[i] && (x->extent[best] == 1 || labs(x->in[i]) < labs(x->in[best])))
			best = i;
	swap_axes(x, best, last - 1);
}

static bool make_copy(const opencl_target *t, walk *x, uint32_t unit, const uint8_t *value, opencl_work *w)
{
	copy_args a = { 0 };
	arrange(x);
	const size_t last = x->rank - 1;
	const bool contiguous = x->out[last] == 1 && x->in[last] == 1;
	const bool turned = !value && labs(x->in[last - 1]) < labs(x->in[last]);
	/* On a CPU blocks reuse the cache lines of both sides; elsewhere neighbours do. */
	const size_t wide = t->host_cpu ? (contiguous || value ? 256 : 16) : contiguous ? 4 : 1;
	const size_t tile = t->host_cpu && turned ? 16 : t->host_cpu && x->extent[last] <= 64 ? 8 : 1;
	if (unit != 1 && unit != 2 && unit != 4 && unit != 8 && unit != 16)
		return false;
	work_begin(w, "copy", opencl_source_copy, 1, value ? 1 : 3);
	work_define(w, "UNIT", unit);
	work_define(w, "RANK", (long)x->rank);
	work_define(w, "WIDE", (long)wide);
	work_define(w, "TILE", (long)tile);
	work_define(w, "FILL", value != NULL);
	work_define(w, "CONTIGUOUS", contiguous);
	size_t outer = 1;
	for (size_t i = 0; i < x->rank; i++) {
		a.extent[i] = work_int(w, (ptrdiff_t)x->extent[i]);
		a.out[i] = work_int(w, x->out[i]);
		a.in[i] = work_int(w, x->in[i]);
		outer *= i + 2 < x->rank ? x->extent[i] : 1;
	}
	work_span(w, x->rank, x->extent, x->out);
	work_span(w, x->rank, x->extent, x->in);
	if (value)
		memcpy(a.value, value, unit);
	work_arguments(w, &a, sizeof a);
	work_launch(w, t, (x->extent[last] + wide - 1) / wide, (x->extent[last - 1] + tile - 1) / tile, outer,
		    t->host_cpu ? 2 : 32, t->host_cpu ? 4 : 2);
	return !w->overflow;
}

bool opencl_make_copy(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const copy_params *p = params;
	walk x = { .rank = p->rank };
	(void)present;
	memcpy(x.extent, p->extent, sizeof x.extent);
	memcpy(x.out, p->out, sizeof x.out);
	memcpy(x.in, p->in, sizeof x.in);
	return make_copy(t, &x, p->element_bytes, NULL, w);
}

bool opencl_make_fill(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const fill_params *p = params;
	walk x = { .rank = p->rank };
	(void)present;
	memcpy(x.extent, p->extent, sizeof x.extent);
	memcpy(x.out, p->out, sizeof x.out);
	return make_copy(t, &x, p->element_bytes, p->value, w);
}

/* ---- Elementwise programs ---- */

/* Vectors pay where every operand is contiguous along the innermost axis or stands still. */
static uint32_t vector_for(const opencl_target *t, const eltwise_params *p)
{
	for (uint32_t i = 0; i < p->operands; i++)
		if (p->operand[i].stride[p->rank - 1] > 1 || p->operand[i].stride[p->rank - 1] < 0)
			return 1;
	return p->extent[p->rank - 1] >= t->vector ? t->vector : 1;
}

static bool stored(const program *p, uint32_t operand)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (p->code[i].op == PROGRAM_STORE && p->code[i].dst == operand)
			return true;
	return false;
}

bool opencl_make_eltwise(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	eltwise_params p = *(const eltwise_params *)params;
	eltwise_args a = { 0 };
	(void)present;
	if (!p.rank)
		p.extent[p.rank++] = 1;
	const uint32_t vector = vector_for(t, &p);
	work_begin(w, "eltwise", opencl_source_eltwise, vector, (1u << p.operands) - 1);
	work_define(w, "RANK", p.rank);
	work_define(w, "COUNT", p.operands);
	w->library[2] = opencl_source_program;
	size_t outer = 1;
	for (uint32_t i = 0; i < p.rank; i++) {
		a.extent[i] = work_int(w, (ptrdiff_t)p.extent[i]);
		outer *= i + 1 < p.rank ? p.extent[i] : 1;
	}
	for (uint32_t k = 0; k < p.operands; k++) {
		work_span(w, p.rank, p.extent, p.operand[k].stride);
		for (uint32_t i = 0; i < p.rank; i++)
			a.stride[k][i] = work_int(w, p.operand[k].stride[i]);
	}
	work_arguments(w, &a, sizeof a);
	for (uint32_t k = 0; k < p.operands; k++)
		work_accessors(w, k, p.operand[k].dtype, class_of(p.operand[k].stride[p.rank - 1]), stored(&p.program, k));
	work_text(w, "#define AT(i) at[i]\n#define INNER(i) a->stride[i][RANK - 1]\n#define PROGRAM_OPERANDS");
	work_operand_list(w, w->operands, false);
	work_text(w, "\nvoid run_program(const eltwise_args *a, const int *at, int n, OPERANDS)\n{\n"
		     "\tvec r0, r1, r2, r3, r4, r5, r6, r7;\n");
	work_program(w, &p.program, 0, "INNER");
	work_text(w, "}\n");
	work_launch(w, t, (p.extent[p.rank - 1] + vector - 1) / vector, outer, 1, t->host_cpu ? 16 : 64, t->host_cpu ? 4 : 1);
	return !w->overflow;
}
