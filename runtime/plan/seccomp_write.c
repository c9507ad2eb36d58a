/* BPF programs, written backwards. */
#include "seccomp_write.h"

#define FARTHEST_JUMP 255 /* jt and jf of struct sock_filter are 8 bits wide */

place write_push(struct bpf_writer *writer, uint16_t code, uint32_t k, size_t jt, size_t jf)
{
	if (writer->n == BPF_MAXINSNS) {
		writer->full = true;
		return writer->n;
	}
	writer->backwards[writer->n++] =
	    (struct sock_filter){.code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k};
	return writer->n;
}

place write_answer(struct bpf_writer *writer, uint32_t answer)
{
	for (size_t i = writer->n; i > 0; i--)
		if (writer->backwards[i - 1].code == OP_RETURN &&
		    writer->backwards[i - 1].k == answer)
			return i;
	return write_push(writer, OP_RETURN, answer, 0, 0);
}

place write_near(struct bpf_writer *writer, place target)
{
	if (writer->backwards[target - 1].code == OP_RETURN)
		return write_push(writer, OP_RETURN, writer->backwards[target - 1].k, 0, 0);
	return write_push(writer, OP_ALWAYS, (uint32_t)(writer->n - target), 0, 0);
}

place write_jump(struct bpf_writer *writer, uint16_t code, uint32_t k, place yes, place no)
{
	while (!writer->full &&
	       (writer->n - yes > FARTHEST_JUMP || writer->n - no > FARTHEST_JUMP)) {
		if (writer->n - yes > FARTHEST_JUMP)
			yes = write_near(writer, yes);
		else
			no = write_near(writer, no);
	}
	return write_push(writer, code, k, writer->n - yes, writer->n - no);
}

void write_forwards(const struct bpf_writer *writer, struct sock_filter *out)
{
	for (size_t i = 0; i < writer->n; i++)
		out[i] = writer->backwards[writer->n - 1 - i];
}
