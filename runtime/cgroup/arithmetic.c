#include <inttypes.h>

#include "cgroup.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MIN 1
#define WEIGHT_MAX 10000

/*
 * The curve is weight = 10^((l^2 + 125 l) / 612 - 7 / 34) with l = log2(shares), rounded up; the
 * exponent is the same as (l - 1)(l + 126) / 612. It is calculated in fixed point, 2^40 being 1,
 * since libm would have to be loaded at each start for this one number.
 */
#define ONE	 (UINT64_C(1) << 40)
#define LOG2_10	 UINT64_C(3652498566965) /* log2(10) */
#define LN_2	 UINT64_C(762123384786)	 /* ln(2) */
#define ROUNDING (UINT64_C(1) << 16)	 /* far above the error, far below a step */

static uint64_t multiply(uint64_t a, uint64_t b)
{
	return (uint64_t)(((unsigned __int128)a * b) >> 40);
}

/* Bit by bit: squaring doubles the logarithm. */
static uint64_t log2_of(uint64_t value)
{
	unsigned int whole = 63u - (unsigned int)__builtin_clzll(value);
	/* the mantissa from 1 to 2, with 2^62 being 1 */
	unsigned __int128 mantissa = (unsigned __int128)value << (62 - whole);
	uint64_t result = (uint64_t)whole * ONE;

	for (uint64_t bit = ONE / 2; bit; bit /= 2) {
		mantissa = (mantissa * mantissa) >> 62;
		if (mantissa >> 63) {
			mantissa >>= 1;
			result += bit;
		}
	}
	return result;
}

/* The series of e^(x ln 2) for the fraction, a shift for the rest. */
static uint64_t exp2_of(uint64_t exponent)
{
	uint64_t x = multiply(exponent % ONE, LN_2);
	uint64_t term = ONE;
	uint64_t sum = ONE;

	for (uint64_t i = 1; i < 20 && term; i++) {
		term = multiply(term, x) / i;
		sum += term;
	}
	return sum << (exponent / ONE);
}

uint64_t cgroup_cpu_weight(uint64_t shares)
{
	uint64_t l, exponent;

	if (shares == 0)
		return 0;
	if (shares <= SHARES_MIN)
		return WEIGHT_MIN;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	l = log2_of(shares);
	exponent = multiply(l - ONE, l + 126 * ONE) / 612;
	return (exp2_of(multiply(exponent, LOG2_10)) - ROUNDING + ONE - 1) / ONE;
}

uint64_t cgroup_io_weight(uint64_t weight)
{
	if (weight == 0)
		return 0;
	if (weight <= 10)
		return 1;
	if (weight >= 1000)
		return 10000;
	return 1 + (weight - 10) * 9999 / 990;
}

int cgroup_swap_max(struct opt_i64 limit, struct opt_i64 swap, int64_t *out, struct error *err)
{
	*out = -1;
	if (!swap.set || swap.value == 0 || swap.value == -1)
		return 0;
	if (!limit.set || limit.value <= 0)
		return error_set(err,
				 "linux.resources.memory.swap: %" PRId64 " is memory and swap "
				 "together, so it needs a memory.limit beside it",
				 swap.value);
	if (swap.value < limit.value)
		return error_set(err,
				 "linux.resources.memory.swap: %" PRId64 " is memory and swap "
				 "together, expected at least memory.limit, which is %" PRId64,
				 swap.value, limit.value);
	*out = swap.value - limit.value;
	return 0;
}
