#include "commands.h"

int checkpoint_main(int argc, char **argv, const struct runtime_options *options,
		    struct arena *arena, struct error *err)
{
	struct criu_options criu = {.status_fd = -1};
	struct str_list arguments = {.n = 0};
	unsigned int status_fd = 0;
	const struct option_spec specs[] = {
	    {"image-path", 0, OPTION_TEXT, &criu.image_path, "DIR",
	     "where the image files go (default: checkpoint)"},
	    {"work-path", 0, OPTION_TEXT, &criu.work_path, "DIR",
	     "where criu's log goes (default: the image path)"},
	    {"parent-path", 0, OPTION_TEXT, &criu.parent_path, "DIR",
	     "an earlier --pre-dump, relative to the image path: only changes are written"},
	    {"leave-running", 0, OPTION_FLAG, &criu.leave_running, NULL,
	     "let the container run on afterwards"},
	    {"tcp-established", 0, OPTION_FLAG, &criu.tcp_established, NULL,
	     "keep open TCP connections"},
	    {"tcp-skip-in-flight", 0, OPTION_FLAG, &criu.tcp_skip_in_flight, NULL,
	     "drop TCP connections that are still being made"},
	    {"link-remap", 0, OPTION_FLAG, &criu.link_remap, NULL,
	     "allow open files that have lost their name"},
	    {"ext-unix-sk", 0, OPTION_FLAG, &criu.ext_unix_sk, NULL,
	     "allow unix sockets connected to the outside"},
	    {"shell-job", 0, OPTION_FLAG, &criu.shell_job, NULL, "allow a terminal of the outside"},
	    {"lazy-pages", 0, OPTION_FLAG, &criu.lazy_pages, NULL,
	     "serve memory pages later, to `criu lazy-pages`"},
	    {"status-fd", 0, OPTION_NUMBER, &status_fd, "N",
	     "descriptor that gets a byte when lazy pages can be asked for"},
	    {"page-server", 0, OPTION_TEXT, &criu.page_server, "ADDRESS:PORT",
	     "send memory pages to `criu page-server` there"},
	    {"file-locks", 0, OPTION_FLAG, &criu.file_locks, NULL, "keep file locks"},
	    {"pre-dump", 0, OPTION_FLAG, &criu.pre_dump, NULL,
	     "write the memory only, and let the container run on"},
	    {"manage-cgroups-mode", 0, OPTION_TEXT, &criu.cgroups_mode, "WORD",
	     "soft (default), full, strict or ignore"},
	    {"empty-ns", 0, OPTION_LIST, &criu.empty_namespaces, "network",
	     "make that namespace again without what was in it"},
	    {"auto-dedup", 0, OPTION_FLAG, &criu.auto_dedup, NULL,
	     "drop from the parent's images what is written anew"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);

	if (result)
		return result < 0;
	if (status_fd > 2)
		criu.status_fd = (int)status_fd;
	criu.id = arguments.items[0];
	return container_checkpoint(arena, options, &criu, err) < 0;
}
