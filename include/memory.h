/* What happens where malloc(3) has no memory. */
#ifndef RUNSAFE_MEMORY_H
#define RUNSAFE_MEMORY_H

/* Ends the program with a message and exit status 1. The attribute, because cppcheck passes over
 * C11's word. */
__attribute__((noreturn)) void memory_is_out(void);

#endif
