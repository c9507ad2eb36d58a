#include "commands.h"

const char *runsafe_version(void)
{
	return RUNSAFE_VERSION;
}

const char *runsafe_commit(void)
{
	return RUNSAFE_COMMIT;
}

const char *runsafe_spec_version(void)
{
	return "1.3.0";
}
