#include "work.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void work_text(opencl_work *w, const char *format, ...)
{
	va_list a;
	va_start(a, format);
	const size_t room = sizeof w->text - w->text_length;
	const int n = vsnprintf(w->text + w->text_length, room, format, a);
	va_end(a);
	if (n < 0 || (size_t)n >= room) {
		w->overflow = true;
		w->text[w->text_length] = 0;
		return;
	}
	w->text_length += (size_t)n;
}

void work_define(opencl_work *w, const char *name, long value)
{
	work_text(w, "#define %s %ld\n", name, value);
}

void work_begin(opencl_work *w, const char *function, const char *body, uint32_t vector, uint32_t operands)
{
	w->function = function;
	w->text[0] = 0;
	w->text_length = w->generated_at = w->args_bytes = 0;
	w->overflow = false;
	w->library[0] = opencl_source_args;
	w->library[1] = opencl_source_common;
	w->library[2] = NULL;
	w->body = body;
	w->operands = operands;
	work_define(w, "VEC", vector);
}

void work_arguments(opencl_work *w, const void *args, size_t bytes)
{
	_Static_assert(sizeof(conv_args) <= OPENCL_MAX_ARGS_BYTES && sizeof(eltwise_args) <= OPENCL_MAX_ARGS_BYTES &&
			       sizeof(gemm_args) <= OPENCL_MAX_ARGS_BYTES && sizeof(resize_args) <= OPENCL_MAX_ARGS_BYTES,
		       "room for the arguments of every kernel");
	memcpy(w->args, args, bytes);
	w->args_bytes = bytes;
	const char *comma = "";
	work_text(w, "#define OPERANDS ");
	for (unsigned i = 0; i < OPENCL_MAX_OPERANDS; i++)
		if (w->operands >> i & 1) {
			work_text(w, "%s__global uchar *b%u, ulong o%u", comma, i, i);
			comma = ", ";
		}
	work_text(w, "\n");
	if (!w->generated_at)
		w->generated_at = w->text_length;
}

static size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) / to * to;
}

void work_launch(opencl_work *w, const opencl_target *t, size_t x, size_t y, size_t z, size_t local_x, size_t local_y)
{
	while (local_x > x && local_x > 1) /* small extents waste no work items */
		local_x /= 2;
	while (local_y > y && local_y > 1)
		local_y /= 2;
	while (local_x * local_y > t->max_group && local_y > 1)
		local_y /= 2;
	w->local[0] = local_x;
	w->local[1] = local_y;
	w->local[2] = 1;
	w->global[0] = x && y && z ? round_up(x, local_x) : 0;
	w->global[1] = round_up(y, local_y);
	w->global[2] = z;
	w->overflow |= x > INT32_MAX || y > INT32_MAX || z > INT32_MAX;
}

void work_launch_groups(opencl_work *w, size_t x, size_t y, size_t z, const work_variant *v)
{
	w->local[0] = v->group_x;
	w->local[1] = v->group_y;
	w->local[2] = 1;
	w->global[0] = x * v->group_x;
	w->global[1] = y * v->group_y;
	w->global[2] = z;
	w->overflow |= x > INT32_MAX / 256 || y > INT32_MAX / 256 || z > INT32_MAX;
}

void work_tile(opencl_work *w, const work_variant *v)
{
	work_define(w, "TM", v->rows);
	work_define(w, "TN", v->vectors);
	work_define(w, "GX", v->group_x);
	work_define(w, "GY", v->group_y);
	work_define(w, "DEPTH", v->depth);
}

void work_channels(opencl_work *w, ptrdiff_t in, ptrdiff_t out)
{
	work_define(w, "IN_STRIDED", in != 0 && in != 1);
	work_define(w, "OUT_STRIDED", out != 0 && out != 1);
}

int32_t work_int(opencl_work *w, ptrdiff_t x)
{
	w->overflow |= x > INT32_MAX || x < INT32_MIN;
	return (int32_t)x;
}

void work_span(opencl_work *w, size_t rank, const size_t *extent, const ptrdiff_t *stride)
{
	double last = 0;
	for (size_t a = 0; a < rank; a++)
		last += extent[a] ? (double)(extent[a] - 1) * fabs((double)stride[a]) : 0;
	w->overflow |= last > INT32_MAX - 64;
}

stride_class class_of(ptrdiff_t stride)
{
	return stride == 0 ? STRIDE_BROADCAST : stride == 1 ? STRIDE_UNIT : STRIDE_ANY;
}

uint32_t lanes_for(const opencl_target *t, size_t extent)
{
	uint32_t lanes = t->lanes;
	while (lanes > 1 && lanes > extent)
		lanes /= 2;
	return lanes;
}

/* ---- Operands of any type ---- */

static const struct {
	const char *name, *type;
} types[KERNEL_DTYPE_COUNT] = {
	[KERNEL_F32] = { "f32", "float" },   [KERNEL_U8] = { "u8", "uchar" },    [KERNEL_I8] = { "i8", "char" },
	[KERNEL_F16] = { "f16", "ushort" },  [KERNEL_BF16] = { "bf16", "ushort" }, [KERNEL_I32] = { "i32", "int" },
};

/* p: the operand's first element; at: the offset of the vector's first; s: the stride between its elements. */
static void load_function(opencl_work *w, unsigned arg, uint32_t dtype, stride_class inner)
{
	const char *type = types[dtype].type, *name = types[dtype].name;
	work_text(w, "vec load_%u(__global const %s *p, int at, int s, int n)\n{\n", arg, type);
	if (inner == STRIDE_BROADCAST)
		work_text(w, "\treturn (vec)(get_%s(p, at));\n}\n", name);
	else if (inner == STRIDE_UNIT && dtype == KERNEL_F32)
		work_text(w, "\treturn load_vec(p + at, n);\n}\n");
	else
		work_text(w,
			  "\tfloat t[VEC];\n\tfor (int i = 0; i < VEC; i++)\n"
			  "\t\tt[i] = i < n ? get_%s(p, at + i * s) : 0.0f;\n\treturn VLOAD(t);\n}\n",
			  name);
}

static void store_function(opencl_work *w, unsigned arg, uint32_t dtype, stride_class inner)
{
	const char *type = types[dtype].type, *name = types[dtype].name;
	work_text(w, "void store_%u(__global %s *p, int at, int s, int n, vec v)\n{\n", arg, type);
	if (inner == STRIDE_UNIT && dtype == KERNEL_F32)
		work_text(w, "\tstore_vec(p + at, v, n);\n}\n");
	else
		work_text(w,
			  "\tfloat t[VEC];\n\tVSTORE(v, t);\n\tfor (int i = 0; i < VEC && i < n; i++)\n"
			  "\t\tput_%s(p, at + i * s, t[i]);\n}\n",
			  name);
}

void work_accessors(opencl_work *w, unsigned arg, uint32_t dtype, stride_class inner, bool stored)
{
	if (dtype >= KERNEL_DTYPE_COUNT) {
		w->overflow = true;
		return;
	}
	work_text(w, "#define TYPE_%u %s\n", arg, types[dtype].type);
	load_function(w, arg, dtype, inner);
	if (stored)
		store_function(w, arg, dtype, inner);
}

static void float_text(opencl_work *w, const char *before, float x, const char *after)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	work_text(w, "%sas_float(0x%08xu)%s", before, bits, after);
}

void work_program(opencl_work *w, const program *p, unsigned first, const char *where)
{
	for (uint32_t i = 0; i < p->count; i++) {
		const program_instr *in = &p->code[i];
		const unsigned load = first + in->a, store = first + in->dst;
		if (in->op == PROGRAM_LOAD) {
			work_text(w, "\tr%u = load_%u(OPERAND(%u, TYPE_%u), AT(%u), %s(%u), n);\n", in->dst, load, load, load,
				  in->a, where, in->a);
		} else if (in->op == PROGRAM_STORE) {
			work_text(w, "\tstore_%u(OPERAND(%u, TYPE_%u), AT(%u), %s(%u), n, r%u);\n", store, store, store, in->dst,
				  where, in->dst, in->a);
		} else if (in->op == PROGRAM_CONST) {
			work_text(w, "\tr%u = (vec)", in->dst);
			float_text(w, "(", in->imm[0], ");\n");
		} else {
			const uint8_t sources[3] = { in->a, in->b, in->c };
			work_text(w, "\tr%u = op_%s(r%u", in->dst, program_op_name(in->op), sources[0]);
			for (unsigned k = 1; k < program_op_sources(in->op); k++)
				work_text(w, ", r%u", sources[k]);
			float_text(w, ", ", in->imm[0], "");
			float_text(w, ", ", in->imm[1], ");\n");
		}
	}
}

/* ---- Epilogues ---- */

static bool stores(const program *p, unsigned operand)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (p->code[i].op == PROGRAM_STORE && p->code[i].dst == operand)
			return true;
	return false;
}

static work_strides own_strides(const epilogue *e, size_t axes)
{
	work_strides s = { 0 };
	for (size_t a = 0; a < axes && a < EPILOGUE_MAX_AXES; a++) {
		s.residual[a] = e->residual[a];
		for (uint32_t i = 0; i < e->operands; i++)
			s.operand[i][a] = e->operand[i].stride[a];
	}
	return s;
}

static void epilogue_arguments(opencl_work *w, const epilogue *e, const work_strides *s, size_t axes, unsigned residual,
			       unsigned operands, epilogue_args *args)
{
	args->low = e->flags & EPILOGUE_CLAMP ? e->min : 0;
	args->high = e->flags & EPILOGUE_CLAMP ? e->max : 0;
	for (size_t a = 0; a < axes; a++) {
		args->residual[a] = e->flags & EPILOGUE_RESIDUAL ? work_int(w, s->residual[a]) : 0;
		for (uint32_t i = 0; i < e->operands && e->flags & EPILOGUE_PROGRAM; i++)
			args->operand[i][a] = work_int(w, s->operand[i][a]);
	}
	if (e->flags & EPILOGUE_RESIDUAL)
		w->operands |= 1u << residual;
	for (uint32_t i = 0; i < e->operands && e->flags & EPILOGUE_PROGRAM; i++)
		w->operands |= 1u << (operands + i);
}

void work_operand_list(opencl_work *w, uint32_t mask, bool typed)
{
	for (unsigned i = 0; i < OPENCL_MAX_OPERANDS; i++)
		if (mask >> i & 1)
			work_text(w, typed ? ", __global uchar *b%u, ulong o%u" : ", b%u, o%u", i, i);
}

static void epilogue_body(opencl_work *w, const epilogue *e, size_t axes, unsigned residual, unsigned operands)
{
	if (e->flags & EPILOGUE_RESIDUAL) {
		work_text(w, "\tr0 += load_%u(OPERAND(%u, float), 0", residual, residual);
		for (size_t a = 0; a < axes; a++)
			work_text(w, " + x%zu * e->residual[%zu]", a, a);
		work_text(w, ", e->residual[%zu], n);\n", axes - 1);
	}
	if (e->flags & EPILOGUE_CLAMP)
		work_text(w, "\tr0 = select(fmin(fmax(r0, (vec)(e->low)), (vec)(e->high)), r0, isnan(r0));\n");
	if (!(e->flags & EPILOGUE_PROGRAM))
		return;
	work_text(w, "#define INNER(i) e->operand[i][%zu]\n#define AT(i) (0", axes - 1);
	for (size_t a = 0; a < axes; a++)
		work_text(w, " + x%zu * e->operand[i][%zu]", a, a);
	work_text(w, ")\n\tvec r1, r2, r3, r4, r5, r6, r7;\n");
	work_program(w, &e->program, operands, "INNER");
	work_text(w, "#undef INNER\n#undef AT\n");
}

void work_epilogue(opencl_work *w, const epilogue *e, const work_strides *strides, size_t axes, unsigned residual,
		   unsigned operands, epilogue_args *args)
{
	const uint32_t own = w->operands;
	const work_strides s = strides ? *strides : own_strides(e, axes);
	memset(args, 0, sizeof *args);
	epilogue_arguments(w, e, &s, axes, residual, operands, args);
	const uint32_t mask = w->operands & ~own;
	const bool has_program = e->flags & EPILOGUE_PROGRAM;
	if (has_program)
		w->library[2] = opencl_source_program;
	work_text(w, "#define EPILOGUE_AXES %zu\n", axes);
	w->generated_at = w->text_length;
	if (e->flags & EPILOGUE_RESIDUAL)
		work_accessors(w, residual, KERNEL_F32, class_of(s.residual[axes - 1]), false);
	for (uint32_t i = 0; has_program && i < e->operands; i++)
		work_accessors(w, operands + i, e->operand[i].dtype, class_of(s.operand[i][axes - 1]),
			       stores(&e->program, i));
	work_text(w, "vec epilogue(vec r0, const epilogue_args *e, int n");
	for (size_t a = 0; a < axes; a++)
		work_text(w, ", int x%zu", a);
	work_operand_list(w, mask, true);
	work_text(w, ")\n{\n");
	epilogue_body(w, e, axes, residual, operands);
	work_text(w, "\treturn r0;\n}\n#define EPILOGUE_OPERANDS ");
	work_operand_list(w, mask, false);
	work_text(w, "\n");
}

/* ---- The list ---- */

opencl_make opencl_kernel(kernel_id id)
{
	static const opencl_make list[KERNEL_COUNT] = {
		[KERNEL_conv_f32] = opencl_make_conv_f32,
		[KERNEL_winograd2_f32] = opencl_make_winograd2_f32,
		[KERNEL_depthwise_f32] = opencl_make_depthwise_f32,
		[KERNEL_conv_transpose_f32] = opencl_make_conv_transpose_f32,
		[KERNEL_conv_first_f32] = opencl_make_conv_f32,
		[KERNEL_depthwise_first_f32] = opencl_make_depthwise_f32,
		[KERNEL_pool_first_f32] = opencl_make_pool_f32,
		[KERNEL_resize_first_f32] = opencl_make_resize_f32,
		[KERNEL_gemm_f32] = opencl_make_gemm_f32,
		[KERNEL_pool_f32] = opencl_make_pool_f32,
		[KERNEL_resize_f32] = opencl_make_resize_f32,
		[KERNEL_eltwise] = opencl_make_eltwise,
		[KERNEL_reduce_f32] = opencl_make_reduce_f32,
		[KERNEL_softmax_f32] = opencl_make_softmax_f32,
		[KERNEL_layer_norm_f32] = opencl_make_layer_norm_f32,
		[KERNEL_group_norm_f32] = opencl_make_group_norm_f32,
		[KERNEL_lrn_f32] = opencl_make_lrn_f32,
		[KERNEL_copy] = opencl_make_copy,
		[KERNEL_fill] = opencl_make_fill,
	};
	return (unsigned)id < KERNEL_COUNT ? list[id] : NULL;
}
