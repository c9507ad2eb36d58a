/* The words of linux.seccomp and what libseccomp calls them. */
#ifndef RUNSAFE_SECCOMP_WORDS_H
#define RUNSAFE_SECCOMP_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/* Finds the value of a word. Returns false for an unknown one. */
bool seccomp_action_word(const char *word, uint32_t *action); /* SCMP_ACT_*, data 0 */
bool seccomp_operator_word(const char *word, uint32_t *op);   /* enum scmp_compare */
bool seccomp_architecture_word(const char *word, uint32_t *token);
/* The bit for seccomp(2), 0 for a flag that is accepted and means nothing here. */
bool seccomp_flag_word(const char *word, uint32_t *bit);

#endif
