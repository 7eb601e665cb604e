/* Which convolutions may use Winograd tiles, of which size, and how long chains of sums may be, so that a whole network stays within 1e-5
 * of the largest magnitude of its output. Errors are counted in units of 2^-24 of a result's root mean square.
 *
 * A layer. Rounding makes a sum wrong by 0.41 sqrt(r), r being how often a typical part of it is rounded: half a chain of the product,
 * half the number of chains, and once when it is stored. With tiles the products are sums over channels alone, but the transform of
 * the output lets their errors grow by a against the result, and the transforms round too. For inputs whose pixels are
 * independent, a^2 is what the interpolation (points, hence Q below) and the filters make of it: 1.7 (m = 2) and 5.0 (m = 4) for
 * filters whose taps are independent; smooth images, which real layers have, make less. Simulated in float32 against double, this
 * holds within a fifth.
 *
 * The network. Errors of layers are independent, so their squares add up, as if each layer went to the output unchanged. An
 * exponential (Softmax, Exp, Sigmoid) turns absolute errors of its input, some ten times larger than 1, into relative ones; where it goes
 * into further products (attention, gates), these are errors of one operand among others and do not show. Over the
 * networks at hand (57 to 2 of these layers) the largest error of the output was at most 0.8 times the estimate, and with an
 * exponential 4.6 times (light_resnet50 with random weights, 1.3e-5 if all its layers have tiles of 4 x 4; the detector of PP-OCRv4, 1.3e-5
 * at an estimate of 6.9e-6); see docs/performance.md.
 *
 * Tiles of 2 x 2, hardly worse than the direct form, are taken wherever their error is at most twice its. Then those layers that save most
 * for what they add to the error get tiles of 4 x 4, as long as the estimate stays within LIMIT. What that leaves of CHAIN_LIMIT goes into
 * longer chains, which save some 1 % of a product's time; a network that ends in an exponential gets shorter ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv_attrs.h"
#include "gemm_attrs.h"
#include "lower.h"

#define UNIT 0x1p-24
#define LIMIT (5.5e-6 / UNIT)
#define CHAIN_LIMIT (3.75e-6 / UNIT)
#define EXPONENTIAL 5 /* times as much error where an exponential follows */
#define SHARP_CHAIN 24 /* there */
#define UNBROKEN (1u << 30)

/* Filters of a layer that are looked at. */
#define SAMPLE 1024

typedef struct layer {
	node_id node;
	double error[3]; /* squared: direct, tiles of 2, of 4; at the output */
	double saved;    /* multiplications, by tiles of 4 instead of 2 */
	bool tiles;      /* a 3x3 convolution of stride 1 */
} layer;

static bool is(const node *n, const char *name)
{
	return n->op && !n->op->domain[0] && !strcmp(n->op->name, name);
}

/* ---- Errors of a layer ---- */

/* How often part of a sum of k products is rounded. The chains are those of kernels/cpu/gemm/block.h, 0: its own. */
static double roundings(double k, uint32_t chain)
{
	const double longest = chain ? chain : k < 1024 ? 48 : 128, chains = fmax(1, floor(k / longest + 0.5));
	return k / chains / 2 + chains / 2 + 1;
}

/* Q[g][h] = sum over the points j of (mean over i of A[i][j]^2) |B[j]|^2 G[j][g] G[j][h], for the transforms of winograd.c: along one
 * axis; that of both is the product. */
static const double growth[2][3][3] = { { { 2, 0, 1 }, { 0, 1, 0 }, { 1, 0, 2 } },
	                                { { 5.96875, 0, 3.125 }, { 0, 3.125, 0 }, { 3.125, 0, 5.96875 } } };

/* Adds w[g] w[h] of one filter. */
static void add_filter(const tensor_view *w, int64_t out, int64_t in, double sum[9][9])
{
	const loose_float *from = (const loose_float *)w->data + out * w->strides[0] + in * w->strides[1];
	double tap[9];
	for (int i = 0; i < 9; i++)
		tap[i] = from[i / 3 * w->strides[2] + i % 3 * w->strides[3]];
	for (int g = 0; g < 9; g++)
		for (int h = 0; h < 9; h++)
			sum[g][h] += tap[g] * tap[h];
}

/* a^2 for both sizes of tiles. False: the filters are 0 or not finite. */
static bool growth_of(const tensor_view *w, double *a)
{
	double sum[9][9] = { 0 }, all = 0, grown[2] = { 0 };
	const int64_t filters = w->dims[0] * w->dims[1], step = (filters / SAMPLE) | 1;
	for (int64_t i = 0; i < filters; i += step)
		add_filter(w, i / w->dims[1], i % w->dims[1], sum);
	for (int g = 0; g < 9; g++)
		all += sum[g][g];
	for (int t = 0; t < 2; t++)
		for (int g = 0; g < 9; g++)
			for (int h = 0; h < 9; h++)
				grown[t] += growth[t][g / 3][h / 3] * growth[t][g % 3][h % 3] * sum[g][h];
	for (int t = 0; t < 2; t++)
		a[t] = grown[t] / all;
	return all > 0 && isfinite(a[0]) && isfinite(a[1]);
}

/* A 3x3 convolution that winograd.c can do, whatever its extents turn out to be. */
static bool has_tiles(const node *n, const tensor_view *w)
{
	const conv_attrs *c = n->attrs;
	bool ok = is(n, "Conv") && w->rank == 4 && w->dtype == CLAST_FLOAT32 && w->dims[2] == 3 && w->dims[3] == 3 && c->group == 1 &&
		  w->dims[0] >= TILE_CHANNELS && w->dims[1] >= TILE_CHANNELS;
	for (size_t i = 0; ok && i < c->window.strides.n; i++)
		ok = c->window.strides.v[i] == 1;
	return ok;
}

/* Constant weights of what sums up products, and over how many; NULL if the node is none. */
static const tensor_view *weights_of(const clast_model *m, const node *n, double *k)
{
	const bool conv = is(n, "Conv"), turned = is(n, "ConvTranspose"), gemm = is(n, "Gemm");
	if (!conv && !turned && !gemm && !is(n, "MatMul"))
		return NULL;
	const tensor_view *w = n->n_in > 1 && n->in[1] != NO_ID ? m->values[n->in[1]].constant : NULL;
	if (!w || w->rank < 2 || view_count(w) < 1)
		return NULL;
	const bool columns = conv || (gemm && ((const gemm_attrs *)n->attrs)->trans_b);
	const int64_t out = columns ? w->dims[0] : w->dims[turned ? 1 : w->rank - 1];
	*k = gemm || conv || turned ? (double)(view_count(w) / out) : (double)w->dims[w->rank - 2];
	return w;
}

/* Pixels of an output, 0 if it is too small for tiles of 4; what is not known is taken for 56, as the planner does. */
static double pixels_of(const value *v)
{
	double n = 1;
	for (int a = 2; a < v->rank; a++)
		n *= !dim_is_number(v->dims[a]) ? 56 : v->dims[a] >= TILE_4_EXTENT ? (double)v->dims[a] : 0;
	return n;
}

static bool measure(const clast_model *m, node_id id, double weight, uint32_t chain, layer *l)
{
	const node *n = &m->nodes[id];
	double k, a[2];
	const tensor_view *w = weights_of(m, n, &k);
	if (!w)
		return false;
	*l = (layer){ .node = id, .error = { 0.168 * roundings(k, chain) }, .tiles = has_tiles(n, w) && growth_of(w, a) };
	for (int t = 0; l->tiles && t < 2; t++)
		l->error[1 + t] = 0.168 * a[t] * roundings((double)w->dims[1], chain) + (t ? 16 : 1.7);
	l->saved = l->tiles ? (double)w->dims[0] * (double)w->dims[1] * pixels_of(&m->values[n->out[0]]) : 0;
	l->tiles &= l->error[1] <= 4 * l->error[0];
	for (int t = 0; t < 3; t++)
		l->error[t] *= weight * weight;
	return true;
}

/* ---- Exponentials on the way to an output ---- */

/* x * Sigmoid(x), the product among the next few nodes, grows like x: no exponential. */
static bool is_swish(const clast_model *m, const graph *g, size_t at)
{
	const node *sigmoid = &m->nodes[g->nodes[at]];
	for (size_t i = at + 1; i < g->node_count && i < at + 16; i++) {
		const node *n = &m->nodes[g->nodes[i]];
		for (uint32_t j = 0; j < n->n_in; j++)
			if (n->in[j] == sigmoid->out[0])
				return m->values[sigmoid->out[0]].uses == 1 && is(n, "Mul") && n->in[1 - j] == sigmoid->in[0];
	}
	return false;
}

static bool is_product(const node *n)
{
	return is(n, "Conv") || is(n, "ConvTranspose") || is(n, "Gemm") || is(n, "MatMul");
}

/* sharp[v]: an exponential lies between the value and an output, without a product behind it, or the value is of a body. Returns whether
 * there are such exponentials. bare[v]: no product lies between the value and an output. */
static bool find_sharp(const clast_model *m, bool *sharp, bool *bare)
{
	bool any = false;
	for (size_t i = 1; i < m->graph_count; i++)
		for (size_t j = 0; j < m->graphs[i].node_count; j++) {
			const node *n = &m->nodes[m->graphs[i].nodes[j]];
			for (uint32_t k = 0; k < n->n_in + n->n_out; k++)
				if (n->in[k] != NO_ID)
					sharp[n->in[k]] = true;
		}
	const graph *g = &m->graphs[0];
	for (size_t i = 0; i < g->output_count; i++)
		bare[g->outputs[i]] = true;
	for (size_t i = g->node_count; i-- > 0;) {
		const node *n = &m->nodes[g->nodes[i]];
		bool last = false, here = false;
		for (uint32_t k = 0; k < n->n_out; k++) {
			last |= n->out[k] != NO_ID && (bare[n->out[k]] || m->values[n->out[k]].uses == 0);
			here |= n->out[k] != NO_ID && sharp[n->out[k]];
		}
		const bool exponential = last && (is(n, "Softmax") || is(n, "Exp") || (is(n, "Sigmoid") && !is_swish(m, g, i)));
		any |= exponential;
		for (uint32_t k = 0; k < n->n_in; k++)
			if (n->in[k] != NO_ID) {
				sharp[n->in[k]] |= here || exponential;
				bare[n->in[k]] |= last && !is_product(n);
			}
	}
	return any;
}

/* ---- The network ---- */

static int by_gain(const void *a, const void *b)
{
	const layer *x = a, *y = b;
	const double gain_x = x->saved / (x->error[2] - x->error[1] + 1e-30), gain_y = y->saved / (y->error[2] - y->error[1] + 1e-30);
	return gain_x > gain_y ? -1 : gain_x < gain_y ? 1 : x->node < y->node ? -1 : x->node > y->node;
}

static size_t measure_all(const clast_model *m, const bool *sharp, uint32_t chain, layer *layers)
{
	size_t count = 0;
	for (size_t g = 0; g < m->graph_count; g++)
		for (size_t i = 0; i < m->graphs[g].node_count; i++) {
			const node_id id = m->graphs[g].nodes[i];
			const node *n = &m->nodes[id];
			const bool out = n->n_out && n->out[0] != NO_ID;
			count += out && measure(m, id, sharp[n->out[0]] ? EXPONENTIAL : 1, chain, &layers[count]);
		}
	return count;
}

static void choose(layer *layers, size_t count, bool fast, uint8_t *tile)
{
	double sum = 0;
	qsort(layers, count, sizeof *layers, by_gain);
	for (size_t i = 0; i < count; i++)
		sum += layers[i].error[layers[i].tiles];
	for (size_t i = 0; i < count; i++) {
		const layer *l = &layers[i];
		const double more = l->error[2] - l->error[1];
		if (!l->tiles)
			continue;
		const bool four = fast || sum + more <= LIMIT * LIMIT;
		tile[l->node] = four ? 4 : 2;
		sum += four ? more : 0;
	}
}

/* The longest chains with which the network, tiles included, stays within CHAIN_LIMIT. layers: room for all. */
static uint32_t choose_chain(const clast_model *m, const bool *sharp, const uint8_t *tile, layer *layers)
{
	static const uint32_t lengths[] = { 128, 256, UNBROKEN };
	uint32_t chosen = 0;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		const size_t count = measure_all(m, sharp, lengths[i], layers);
		double sum = 0;
		for (size_t j = 0; j < count; j++)
			sum += layers[j].error[tile[layers[j].node] / 2];
		if (sum > CHAIN_LIMIT * CHAIN_LIMIT)
			break;
		chosen = lengths[i];
	}
	return chosen;
}

clast_status lower_tiles(const clast_model *m, bool fast, mem *memory, uint8_t *tile, uint32_t *chain, clast_diag *d)
{
	const size_t values = m->value_count + 1;
	bool *sharp = mem_calloc(memory, 2 * values);
	layer *layers = mem_array(memory, m->node_count + 1, sizeof *layers);
	const clast_status s = sharp && layers ? CLAST_OK : fail_memory(d, 0);
	*chain = 0;
	if (!s && m->graph_count) {
		const bool any = find_sharp(m, sharp, sharp + values);
		choose(layers, measure_all(m, sharp, 0, layers), fast, tile);
		*chain = fast ? UNBROKEN : any ? SHARP_CHAIN : choose_chain(m, sharp, tile, layers);
	}
	mem_free(memory, sharp, 2 * values);
	mem_free(memory, layers, (m->node_count + 1) * sizeof *layers);
	return s;
}
