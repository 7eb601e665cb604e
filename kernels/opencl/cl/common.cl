/* Vectors of VEC floats along the innermost axis; n is how many of them exist. */
#define GLUE(a, b) a##b
#define GLUE2(a, b) GLUE(a, b)

#if VEC == 1
typedef float vec;
typedef int ivec;
#define VLOAD(p) (*(p))
#define VSTORE(v, p) (*(p) = (v))
#else
typedef GLUE2(float, VEC) vec;
typedef GLUE2(int, VEC) ivec;
#define VLOAD(p) GLUE2(vload, VEC)(0, p)
#define VSTORE(v, p) GLUE2(vstore, VEC)(v, 0, p)
#endif

#define OPERAND(i, type) ((__global type *)(b##i + o##i))

/* ---- Elements of any type as floats ---- */

float get_f32(__global const float *p, int i) { return p[i]; }
float get_u8(__global const uchar *p, int i) { return p[i]; }
float get_i8(__global const char *p, int i) { return p[i]; }
float get_i32(__global const int *p, int i) { return p[i]; }
float get_f16(__global const ushort *p, int i) { return vload_half(i, (__global const half *)p); }
float get_bf16(__global const ushort *p, int i) { return as_float((uint)p[i] << 16); }

void put_f32(__global float *p, int i, float x) { p[i] = x; }
void put_u8(__global uchar *p, int i, float x) { p[i] = isnan(x) ? 0 : convert_uchar_sat_rte(x); }
void put_i8(__global char *p, int i, float x) { p[i] = isnan(x) ? 0 : convert_char_sat_rte(x); }
void put_i32(__global int *p, int i, float x) { p[i] = isnan(x) ? 0 : convert_int_sat_rte(x); }
void put_f16(__global ushort *p, int i, float x) { vstore_half_rte(x, i, (__global half *)p); }
void put_bf16(__global ushort *p, int i, float x)
{
	const uint bits = as_uint(x);
	p[i] = isnan(x) ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* ---- Vectors ---- */

vec load_vec(__global const float *p, int n)
{
#if VEC > 1
	if (n < VEC) {
		float t[VEC];
		for (int i = 0; i < VEC; i++)
			t[i] = i < n ? p[i] : 0.0f;
		return VLOAD(t);
	}
#endif
	return VLOAD(p);
}

vec load_strided(__global const float *p, int stride, int n)
{
	float t[VEC];
	for (int i = 0; i < VEC; i++)
		t[i] = i < n ? p[i * stride] : 0.0f;
	return VLOAD(t);
}

void store_strided(__global float *p, int stride, vec v, int n)
{
	float t[VEC];
	VSTORE(v, t);
	for (int i = 0; i < VEC && i < n; i++)
		p[i * stride] = t[i];
}

void store_vec(__global float *p, vec v, int n)
{
#if VEC > 1
	if (n < VEC) {
		float t[VEC];
		VSTORE(v, t);
		for (int i = 0; i < n; i++)
			p[i] = t[i];
		return;
	}
#endif
	VSTORE(v, p);
}

/* ---- Packed weights ---- */

#if W_HALF
typedef ushort weight;
#if VEC == 1
#define LOAD_WEIGHTS(p) vload_half(0, (__global const half *)(p))
#else
#define LOAD_WEIGHTS(p) GLUE2(vload_half, VEC)(0, (__global const half *)(p))
#endif
#else
typedef float weight;
#define LOAD_WEIGHTS(p) VLOAD(p)
#endif

/* Images: channels are contiguous on a side as a rule. */
#if IN_STRIDED
#define LOAD_CHANNELS(p, stride, n) load_strided(p, stride, n)
#else
#define LOAD_CHANNELS(p, stride, n) load_vec(p, n)
#endif
#if OUT_STRIDED
#define STORE_CHANNELS(p, stride, v, n) store_strided(p, stride, v, n)
#else
#define STORE_CHANNELS(p, stride, v, n) store_vec(p, v, n)
#endif

/* Where channel c of group g lies, and what the epilogue calls it. IN_BLOCKED, OUT_BLOCKED: channels lie in blocks, each an image of
 * its own; OUT_RUNS: they lie in runs, in two axes of them. A vector of channels never leaves its block or run. IN_GROUPED, OUT_GROUPED: groups have a stride of their own. */
#if IN_BLOCKED
#define IN_CHANNEL(g, c) (((g) * a.in_channels + (c)) / a.block * a.in_block + ((g) * a.in_channels + (c)) % a.block)
#elif IN_GROUPED
#define IN_CHANNEL(g, c) ((g) * a.in_group + (c) * a.in_stride[4])
#else
#define IN_CHANNEL(g, c) (((g) * a.in_channels + (c)) * a.in_stride[4])
#endif
#if OUT_BLOCKED
#define OUT_CHANNEL(g, c) (((g) * a.out_channels + (c)) / a.block * a.out_block + ((g) * a.out_channels + (c)) % a.block)
#define CHANNEL_AXES(g, c) ((g) * a.out_channels + (c)) / a.block, ((g) * a.out_channels + (c)) % a.block
#elif OUT_RUNS
#define RUN(g, c) (((g) * a.out_channels + (c)) / a.out_run)
#define IN_RUN(g, c) (((g) * a.out_channels + (c)) % a.out_run)
#define OUT_CHANNEL(g, c) \
	(RUN(g, c) / a.out_runs * a.out_run_stride[0] + RUN(g, c) % a.out_runs * a.out_run_stride[1] + IN_RUN(g, c))
#define CHANNEL_AXES(g, c) RUN(g, c) / a.out_runs, RUN(g, c) % a.out_runs, IN_RUN(g, c)
#elif OUT_GROUPED
#define OUT_CHANNEL(g, c) ((g) * a.out_group + (c) * a.out_stride[4])
#define CHANNEL_AXES(g, c) g, c
#else
#define OUT_CHANNEL(g, c) (((g) * a.out_channels + (c)) * a.out_stride[4])
#define CHANNEL_AXES(g, c) (g) * a.out_channels + (c)
#endif
