/* The table of a policy file's keys. */
#ifndef RUNSAFE_POLICY_TABLES_H
#define RUNSAFE_POLICY_TABLES_H

#include "json_read.h"

extern const struct json_table policy_table; /* into a struct policy */

#endif
