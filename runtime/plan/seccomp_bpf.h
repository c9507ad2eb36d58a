/*
 * Filters written by hand, where two or three instructions do: what they load and compare
 * (seccomp(2), struct seccomp_data). What comes from a profile is compiled (seccomp_compile.c).
 */
#ifndef RUNSAFE_SECCOMP_BPF_H
#define RUNSAFE_SECCOMP_BPF_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

/* The machine that runsafe is built for, and the one whose programs it runs as well. */
#if defined(__aarch64__)
#define ARCH   AUDIT_ARCH_AARCH64
#define COMPAT AUDIT_ARCH_ARM
#else
#define ARCH   AUDIT_ARCH_X86_64
#define COMPAT AUDIT_ARCH_I386
#endif

#define LOAD(field)	   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))

#endif
