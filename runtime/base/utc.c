#include "utc.h"

#include <stdio.h>

#define DAY	 86400
#define YEAR9999 253402300799 /* its last second */

void utc_text(char out[UTC_TEXT_SIZE], time_t seconds)
{
	const time_t time = seconds < 0 ? 0 : seconds > YEAR9999 ? YEAR9999 : seconds;
	const long second = (long)(time % DAY);
	/* From the first of March of the year 0, so that leap days come last: 146097 in 400 years,
	 * 36524 in 100 of them, 1461 in 4. */
	const long days = (long)(time / DAY) + 719468;
	const long of_400 = days % 146097;
	const long year = (of_400 - of_400 / 1460 + of_400 / 36524 - of_400 / 146096) / 365;
	const long day = of_400 - (365 * year + year / 4 - year / 100);
	const long month = (5 * day + 2) / 153; /* five of them, from March on, have 153 days */

	snprintf(out, UTC_TEXT_SIZE, "%04ld-%02ld-%02ldT%02ld:%02ld:%02ld",
		 days / 146097 * 400 + year + (month > 9), month < 10 ? month + 3 : month - 9,
		 day - (153 * month + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60);
}
