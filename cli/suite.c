/* clast verify --suite: every case in a process of its own, so that a crash or a hang ends that case and no
 * more. */
#include "verify.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct suite_case {
	char *folder, *model;
	const char *name; /* the end of folder */
	bool done;
	case_result result;
} suite_case;

typedef struct suite {
	suite_case *cases;
	size_t count, capacity;
} suite;

/* ---- Finding the cases ---- */

/* model.onnx, or the only .onnx file of a folder with data sets. NULL if there is none. */
static char *find_model(const char *folder, bool *out_of_memory)
{
	char *path = path_join(folder, "model.onnx");
	if (!path || is_file(path)) {
		*out_of_memory = !path;
		return path;
	}
	free(path);
	path = NULL;
	DIR *d = opendir(folder);
	size_t models = 0, sets = 0;
	for (struct dirent *entry; d && (entry = readdir(d));) {
		sets += !strncmp(entry->d_name, "test_data_set_", 14);
		if (!has_extension(entry->d_name, ".onnx"))
			continue;
		models++;
		free(path);
		path = path_join(folder, entry->d_name);
	}
	if (d)
		closedir(d);
	if (models == 1 && sets)
		return path;
	free(path);
	return NULL;
}

static bool add_case(suite *s, const char *folder, size_t root, char *model)
{
	if (s->count == s->capacity) {
		const size_t capacity = s->capacity ? 2 * s->capacity : 64;
		suite_case *more = realloc(s->cases, capacity * sizeof(*more));
		if (!more)
			return false;
		s->cases = more;
		s->capacity = capacity;
	}
	suite_case *c = &s->cases[s->count];
	*c = (suite_case){ .folder = strdup(folder), .model = model };
	if (!c->folder)
		return false;
	c->name = strlen(folder) > root ? c->folder + root : c->folder;
	while (*c->name == '/' && c->name[1])
		c->name++;
	s->count++;
	return true;
}

/* root is the length of the suite's own path. A folder with a model is a case and is not searched further. */
static bool find_cases(suite *s, const options *o, const char *folder, size_t root, int depth)
{
	bool failed = false;
	char *model = find_model(folder, &failed);
	if (model) {
		const bool wanted = !o->filter.count || strstr(folder + root, o->filter.text);
		if (wanted && add_case(s, folder, root, model))
			return true;
		free(model);
		return !wanted;
	}
	DIR *d = failed || depth > 16 ? NULL : opendir(folder);
	for (struct dirent *entry; d && !failed && (entry = readdir(d));) {
		char *path = entry->d_name[0] == '.' ? NULL : path_join(folder, entry->d_name);
		if (path && is_folder(path))
			failed = !find_cases(s, o, path, root, depth + 1);
		free(path);
	}
	if (d)
		closedir(d);
	return !failed;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const suite_case *)a)->folder, ((const suite_case *)b)->folder);
}

/* ---- Running them ---- */

typedef struct worker {
	pid_t pid; /* 0: idle */
	int pipe;
	size_t index;
	double start_ms;
} worker;

static void run_child(const options *o, const suite_case *c, size_t threads, int out)
{
	case_result r;
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	verify_case(o, c->model, c->folder, threads, &r);
	const bool sent =
		write(out, &r, sizeof(r)) == (ssize_t)sizeof(r); /* less than PIPE_BUF: whole or not at all */
	fflush(stdout);
	exit(sent ? 0 : 1); /* exit, so that a leak checker has its say */
}

static bool start(worker *w, const options *o, suite *s, size_t index, size_t threads)
{
	int ends[2];
	_Static_assert(sizeof(case_result) <= 4096, "a result must fit into one write to a pipe");
	if (pipe(ends))
		return false;
	fflush(stdout);
	fflush(stderr);
	const pid_t pid = fork();
	if (!pid) {
		close(ends[0]);
		run_child(o, &s->cases[index], threads, ends[1]);
	}
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	else
		*w = (worker){ .pid = pid, .pipe = ends[0], .index = index, .start_ms = now_ms() };
	return pid > 0;
}

static void describe_end(case_result *r, int status)
{
	r->status = CASE_FAILED;
	if (WIFSIGNALED(status))
		snprintf(r->reason, sizeof(r->reason), "crashed: %s", strsignal(WTERMSIG(status)));
	else
		snprintf(r->reason, sizeof(r->reason), "crashed: exit status %d", WEXITSTATUS(status));
}

/* Takes the result of a worker whose pipe has something to say, or has been closed. */
static void collect(worker *w, suite *s)
{
	suite_case *c = &s->cases[w->index];
	int status = 0;
	const bool got = read(w->pipe, &c->result, sizeof(c->result)) == (ssize_t)sizeof(c->result);
	close(w->pipe);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!got || status)
		describe_end(&c->result, status);
	if (!got)
		c->result.seconds = (now_ms() - w->start_ms) * 1e-3;
	c->done = true;
	w->pid = 0;
}

static void stop(worker *w, suite *s, double seconds)
{
	kill(w->pid, SIGKILL);
	collect(w, s);
	case_result *r = &s->cases[w->index].result;
	*r = (case_result){ .status = CASE_FAILED, .seconds = seconds };
	snprintf(r->reason, sizeof(r->reason), "still running after %g s", seconds);
}

static double limit_seconds(const options *o)
{
	return o->timeout.count ? o->timeout.real : 300;
}

/* Waits until a worker ends or runs out of time. */
static void wait_for_any(worker *workers, size_t count, const options *o, suite *s)
{
	struct pollfd *polls = calloc(count, sizeof(*polls));
	double wait_ms = 1e3;
	for (size_t i = 0; i < count; i++) {
		if (polls)
			polls[i] = (struct pollfd){ .fd = workers[i].pid ? workers[i].pipe : -1,
						    .events = POLLIN };
		const double left = workers[i].start_ms + limit_seconds(o) * 1e3 - now_ms();
		if (workers[i].pid && left < wait_ms)
			wait_ms = left;
	}
	const int ready = polls ? poll(polls, count, wait_ms > 0 ? (int)wait_ms + 1 : 0) : -1;
	for (size_t i = 0; i < count; i++) {
		if (!workers[i].pid)
			continue;
		if (ready > 0 && polls[i].revents)
			collect(&workers[i], s);
		else if (now_ms() - workers[i].start_ms > limit_seconds(o) * 1e3)
			stop(&workers[i], s, limit_seconds(o));
	}
	free(polls);
}

static void print_case(const suite_case *c)
{
	const case_result *r = &c->result;
	progress_clear();
	printf("%s%-7s%s %s", case_status_colour(r->status), case_status_name(r->status),
	       colour_out(COLOUR_NONE), c->name);
	if (r->status == CASE_PASSED)
		printf("  max error %.3g\n", r->max_abs);
	else
		printf("  %s\n", r->reason);
}

/* Prints finished cases in their order and returns how many were printed. */
static size_t print_done(const suite *s, size_t printed, bool text)
{
	for (; printed < s->count && s->cases[printed].done; printed++)
		if (text)
			print_case(&s->cases[printed]);
	return printed;
}

static bool run_cases(const options *o, suite *s)
{
	const size_t jobs =
		o->jobs.count && o->jobs.number ? (o->jobs.number < 256 ? o->jobs.number : 256) : 1;
	worker workers[256] = { 0 };
	size_t next = 0, running = 0, printed = 0;
	bool failed = false;
	while (!interrupted() && (running || (next < s->count && !failed))) {
		for (size_t i = 0; i < jobs && next < s->count && !failed; i++)
			if (!workers[i].pid)
				failed = !start(&workers[i], o, s, next++, jobs > 1);
		progress_show("%zu of %zu  %s", printed, s->count,
			      printed < s->count ? s->cases[printed].name : "");
		wait_for_any(workers, jobs, o, s);
		running = 0;
		for (size_t i = 0; i < jobs; i++)
			running += workers[i].pid != 0;
		printed = print_done(s, printed, !o->json.count);
	}
	for (size_t i = 0; i < jobs; i++) { /* interrupted */
		if (!workers[i].pid)
			continue;
		stop(&workers[i], s, 0);
		s->cases[workers[i].index].done = false;
	}
	progress_clear();
	if (failed)
		report_error(NULL, "cannot start a process: %s", strerror(errno));
	return !failed;
}

/* ---- Results ---- */

static bool write_json(const options *o, const suite *s, const size_t totals[3])
{
	emitter j;
	if (!emit_open(&j, o))
		return false;
	emit_object(&j, NULL);
	emit_count(&j, "passed", totals[CASE_PASSED]);
	emit_count(&j, "failed", totals[CASE_FAILED]);
	emit_count(&j, "skipped", totals[CASE_SKIPPED]);
	emit_array(&j, "cases");
	for (size_t i = 0; i < s->count; i++) {
		if (!s->cases[i].done)
			continue;
		emit_object(&j, NULL);
		verify_json(&j, s->cases[i].name, &s->cases[i].result);
		emit_end_object(&j);
	}
	emit_end_array(&j);
	emit_end_object(&j);
	return emit_close(&j);
}

static int report_suite(const options *o, const suite *s)
{
	size_t totals[3] = { 0 };
	for (size_t i = 0; i < s->count; i++)
		if (s->cases[i].done)
			totals[s->cases[i].result.status]++;
	if (o->json.count && !write_json(o, s, totals))
		return EXIT_IO;
	if (!o->json.count)
		printf("%zu passed, %zu failed, %zu skipped\n", totals[CASE_PASSED], totals[CASE_FAILED],
		       totals[CASE_SKIPPED]);
	return interrupted() ? EXIT_CANCELLED : totals[CASE_FAILED] ? EXIT_MISMATCH : EXIT_FINE;
}

int verify_suite(const options *o)
{
	suite s = { 0 };
	const char *root = o->suite.text;
	int code = EXIT_IO;
	if (!is_folder(root)) {
		report_error(root, "no such folder");
		report_hint(
			"--suite takes a folder of model folders, each with model.onnx and test_data_set_*");
	} else if (!find_cases(&s, o, root, strlen(root), 0)) {
		report_error(root, "out of memory while listing the cases");
	} else if (!s.count) {
		report_error(root, "holds no case%s%s", o->filter.count ? " whose name contains " : "",
			     o->filter.count ? o->filter.text : "");
		report_hint("a case is a folder with model.onnx and test_data_set_*");
	} else {
		qsort(s.cases, s.count, sizeof(*s.cases), by_name);
		code = run_cases(o, &s) ? report_suite(o, &s) : EXIT_IO;
	}
	for (size_t i = 0; i < s.count; i++) {
		free(s.cases[i].folder);
		free(s.cases[i].model);
	}
	free(s.cases);
	return code;
}
