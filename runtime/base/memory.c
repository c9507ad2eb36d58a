#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

void memory_is_out(void)
{
	fputs("runsafe: out of memory\n", stderr);
	exit(1);
}
