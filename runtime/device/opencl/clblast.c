/* CLBlast as one more variant of matrix products of runtime operands, in builds with CLAST_CLBLAST: the one after those of
 * kernels/opencl/variants.c. It takes products with nothing to follow them and one stride of batches; packed weights have a form that it
 * does not read. Unlike everything else here it links an OpenCL library, and it keeps its own programs, which it compiles at the first
 * product of a kind. */
#include "opencl.h"

#if CLAST_CLBLAST
#include <clblast_c.h>

struct opencl_blas {
	size_t m, n, k, batch;
	bool a_turned, b_turned;
	size_t a_line, b_line, out_line;
	size_t a_step, b_step, out_step; /* from product to product */
};

/* A matrix of rows x columns by rows, or by columns; false if neither axis is contiguous. */
static bool lies(ptrdiff_t row, ptrdiff_t column, size_t rows, size_t columns, bool *turned, size_t *line)
{
	*turned = column != 1 || (row < (ptrdiff_t)columns && rows > 1);
	const ptrdiff_t unit = *turned ? row : column, other = *turned ? column : row, least = (ptrdiff_t)(*turned ? rows : columns);
	const bool alone = (*turned ? columns : rows) == 1;
	*line = alone || other < least ? (size_t)least : (size_t)other;
	return unit == 1 && (alone || other >= least);
}

static bool describe(const gemm_params *p, struct opencl_blas *b)
{
	bool out_turned;
	*b = (struct opencl_blas){ .m = p->m, .n = p->n, .k = p->k, .batch = 1 };
	if (p->packed || p->row_digits || p->epilogue.flags || !p->m || !p->n || !p->k)
		return false;
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		if (p->batch[i] == 1)
			continue;
		if (b->batch != 1 || p->a_batch[i] < 0 || p->b_batch[i] < 0 || p->out_batch[i] < 0)
			return false;
		b->batch = p->batch[i];
		b->a_step = (size_t)p->a_batch[i];
		b->b_step = (size_t)p->b_batch[i];
		b->out_step = (size_t)p->out_batch[i];
	}
	return lies(p->a_row, p->a_col, p->m, p->k, &b->a_turned, &b->a_line) &&
	       lies(p->b_row, p->b_col, p->k, p->n, &b->b_turned, &b->b_line) &&
	       lies(p->out_row, 1, p->m, p->n, &out_turned, &b->out_line) && !out_turned && b->batch;
}

clast_status opencl_blas_create(const opencl_device *x, kernel_id kernel, const void *params, bump *region, device_call **out,
                                clast_diag *d)
{
	struct opencl_blas b;
	if (kernel != KERNEL_gemm_f32 || x->target.variant != opencl_variant_count(kernel) || !describe(params, &b))
		return CLAST_ERROR_UNSUPPORTED;
	device_call *c = bump_alloc(region, sizeof *c + sizeof b);
	if (!c)
		return fail_memory(d, sizeof *c);
	*c = (device_call){ .blas = true, .args_bytes = sizeof b };
	memcpy(c->args, &b, sizeof b);
	*out = c;
	return CLAST_OK;
}

clast_status opencl_blas_launch(opencl_queue *q, const device_call *c, const device_arg *args, cl_event *event, clast_diag *d)
{
	struct opencl_blas b;
	memcpy(&b, c->args, sizeof b);
	cl_mem memory[3];
	size_t at[3];
	for (int i = 0; i < 3; i++) {
		memory[i] = ((const opencl_memory *)args[i].memory)->buffer;
		at[i] = args[i].offset_bytes / sizeof(float);
	}
	const CLBlastTranspose ta = b.a_turned ? CLBlastTransposeYes : CLBlastTransposeNo;
	const CLBlastTranspose tb = b.b_turned ? CLBlastTransposeYes : CLBlastTransposeNo;
	const CLBlastStatusCode e = b.batch == 1 ?
		CLBlastSgemm(CLBlastLayoutRowMajor, ta, tb, b.m, b.n, b.k, 1, memory[GEMM_A], at[GEMM_A], b.a_line, memory[GEMM_B],
	                     at[GEMM_B], b.b_line, 0, memory[GEMM_OUT], at[GEMM_OUT], b.out_line, &q->queue, event) :
		CLBlastSgemmStridedBatched(CLBlastLayoutRowMajor, ta, tb, b.m, b.n, b.k, 1, memory[GEMM_A], at[GEMM_A], b.a_line, b.a_step,
	                                   memory[GEMM_B], at[GEMM_B], b.b_line, b.b_step, 0, memory[GEMM_OUT], at[GEMM_OUT],
	                                   b.out_line, b.out_step, b.batch, &q->queue, event);
	return e ? fail(d, CLAST_ERROR_DEVICE, "CLBlast: a product of %zux%zux%zu failed (status %d)", b.m, b.n, b.k, (int)e) : CLAST_OK;
}

/* Its programs belong to contexts, which it tells apart by their addresses. */
void opencl_blas_forget(void)
{
	(void)CLBlastClearCache();
}
#endif
