/* The program as users and other programs see it. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "program.h"

#define DIGITS CLAST_MODELS "/digits"
static const char *const commands[] = { "run", "verify", "inspect", "bench", "convert", "ops", "devices", "help" };
enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

/* One line that begins as errors do, and one with a hint, and no data. */
static void expect_error(result *r, int status, const char *part)
{
	cr_expect_eq(r->status, status, "status %d: %s", r->status, r->err);
	cr_expect_eq(strncmp(r->err, "clast: error: ", 14), 0, "%s", r->err);
	cr_expect_not_null(strstr(r->err, "\n  hint: "), "%s", r->err);
	cr_expect_not_null(strstr(r->err, part), "expected '%s' in: %s", part, r->err);
	cr_expect_str_empty(r->out);
	result_free(r);
}

static json_t *expect_json(result *r)
{
	json_error_t error;
	json_t *root = json_loads(r->out, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s at line %d of %s", error.text, error.line, r->out);
	cr_expect_str_empty(r->err);
	result_free(r);
	return root;
}

static void expect_fine(result *r, const char *part)
{
	cr_expect_eq(r->status, 0, "status %d: %s", r->status, r->err);
	cr_expect_str_empty(r->err);
	cr_expect_not_null(strstr(r->out, part), "expected '%s' in: %s", part, r->out);
	result_free(r);
}

static int64_t number(const json_t *root, const char *key)
{
	cr_expect(json_is_integer(json_object_get(root, key)), "%s", key);
	return json_integer_value(json_object_get(root, key));
}

static double real(const json_t *root, const char *key)
{
	cr_expect(json_is_number(json_object_get(root, key)), "%s", key);
	return json_number_value(json_object_get(root, key));
}

/* ---- Help ---- */

Test(program, every_command_has_help_and_a_manual_page)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		char usage[64], title[64];
		snprintf(usage, sizeof(usage), "Usage: clast %s", commands[i]);
		snprintf(title, sizeof(title), "clast-%s \\- ", commands[i]);
		result r = RUN(commands[i], "--help");
		expect_fine(&r, usage);
		r = RUN(commands[i], "-h");
		expect_fine(&r, "--json");
		r = RUN("help", commands[i]);
		expect_fine(&r, usage);
		r = RUN("help", commands[i], "--man");
		expect_fine(&r, title);
		r = RUN("--help");
		expect_fine(&r, commands[i]);
	}
	result r = RUN("--version");
	expect_fine(&r, "clast ");
	r = RUN("help", "--man");
	expect_fine(&r, ".TH CLAST 1");
}

Test(program, completions_are_valid_shell)
{
	result r = RUN("help", "--completion", "bash");
	expect_fine(&r, "complete -o filenames -F _clast clast");
	r = RUN("help", "--completion", "zsh");
	expect_fine(&r, "#compdef clast");
	r = RUN("help", "--completion", "fish");
	expect_fine(&r, "complete -c clast");
	r = run_shell("bash -c 'eval \"$($CLAST help --completion bash)\"; COMP_WORDS=(clast verify --su); "
		      "COMP_CWORD=2; _clast; "
		      "echo ${COMPREPLY[@]}'");
	expect_fine(&r, "--suite\n");
	r = run_shell("bash -c 'eval \"$($CLAST help --completion bash)\"; COMP_WORDS=(clast ver); "
		      "COMP_CWORD=1; _clast; "
		      "echo ${COMPREPLY[@]}'");
	expect_fine(&r, "verify\n");
}

/* ---- Exit status ---- */

Test(program, usage_errors_exit_with_2)
{
	static const char *const wrong[][5] = {
		{ "nonsense" },
		{ "run" },
		{ "run", "a", "b" },
		{ "verify" },
		{ "verify", "model.onnx" },
		{ "verify", "model.onnx", "--suite", "x" },
		{ "verify", "--ref", "x" },
		{ "inspect" },
		{ "bench" },
		{ "ops", "more" },
		{ "devices", "more" },
		{ "help", "nonsense" },
		{ "run", DIGITS "/model.onnx", "--nonsense" },
		{ "run", DIGITS "/model.onnx", "--threads", "many" },
		{ "run", DIGITS "/model.onnx", "--objective", "nonsense" },
		{ "convert" },
		{ "convert", DIGITS "/model.onnx" },
		{ "convert", DIGITS "/model.onnx", "-o/tmp/x.onnx", "--layout=keep" },
		{ "convert", DIGITS "/model.onnx", "-o/tmp/x.onnx", "--strategy=none" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		result r = run_clast(wrong[i]);
		expect_error(&r, 2, "");
	}
	result r = RUN(NULL);
	cr_expect(r.status == 2 && strstr(r.err, "Usage:"));
	result_free(&r);
}

Test(program, what_the_model_does_not_have_exits_with_2)
{
	const char *model = DIGITS "/model.onnx";
	result r = RUN("run", model);
	expect_error(&r, 2, "\"image\"");
	r = RUN("run", model, "--input", "nothing=x.npy");
	expect_error(&r, 2, "nothing=x.npy");
	r = RUN("run", model, "--image", DIGITS "/images/7.png", "--output", "nothing=x.npy");
	expect_error(&r, 2, "nothing=x.npy");
	r = RUN("run", model, "--image", DIGITS "/images/7.png", "--top", "1", "--classes", "nothing");
	expect_error(&r, 2, "nothing");
	r = RUN("run", model, "--strategy", "nonsense");
	expect_error(&r, 2, "nonsense");
	r = RUN("run", model, "--shape", "nothing=1x2");
	expect_error(&r, 2, "nothing");
	r = RUN("run", model, "--shape", "image=1x2y3");
	expect_error(&r, 2, "1x3xHxW");
	r = RUN("bench", model, "--strategies", "nonsense");
	expect_error(&r, 2, "nonsense");
}

Test(program, malformed_and_unsupported_models_exit_with_3)
{
	const char *folder = make_folder(), *path = in_folder(folder, "m.onnx");
	static const char *const users[] = { "run", "inspect", "bench" };
	write_file(path, "this is no model\n", 17);
	for (size_t i = 0; i < 3; i++) {
		result r = RUN(users[i], path);
		expect_error(&r, 3, path);
	}
	result r = RUN("verify", path, "--ref", folder);
	expect_error(&r, 3, "malformed");
	write_model(path, "DoesNotExist", 1, (int64_t[]){ 2 });
	r = RUN("inspect", path);
	expect_error(&r, 3, "DoesNotExist");
	r = RUN("inspect", path, "--json");
	expect_error(&r, 3, "the_node");
	remove_folder(folder);
}

Test(program, files_that_are_missing_or_damaged_exit_with_4)
{
	const char *folder = make_folder(), *model = DIGITS "/model.onnx";
	const char *path = in_folder(folder, "x.npy"), *picture = in_folder(folder, "x.png");
	result r = RUN("run", in_folder(folder, "none.onnx"));
	expect_error(&r, 4, "none.onnx");
	r = RUN("run", folder);
	expect_error(&r, 4, folder);
	r = RUN("run", model, "--input", path);
	expect_error(&r, 4, path);
	write_file(path, "no array", 8);
	r = RUN("run", model, "--input", path);
	expect_error(&r, 4, path);
	write_file(picture, "no picture", 10);
	r = RUN("run", model, "--image", picture);
	expect_error(&r, 4, picture);
	r = RUN("run", model, "--image", DIGITS "/images/7.png", "--top", "1", "--labels",
		in_folder(folder, "none.txt"));
	expect_error(&r, 4, "none.txt");
	r = RUN("verify", model, "--ref", folder);
	expect_error(&r, 4, "no reference data");
	r = RUN("verify", "--suite", in_folder(folder, "none"));
	expect_error(&r, 4, "none");
	r = RUN("verify", "--suite", folder);
	expect_error(&r, 4, "no case");
	r = RUN("run", model, "--image", DIGITS "/images/7.png", "--output", "/proc/none/x");
	expect_error(&r, 4, "/proc/none");
	r = RUN("ops", "--json=/proc/none/x.json");
	cr_expect_eq(r.status, 4);
	result_free(&r);
	remove_folder(folder);
}

Test(program, a_missing_device_exits_with_5)
{
	result r = RUN("inspect", DIGITS "/model.onnx", "--device", "nonsense");
	expect_error(&r, 5, "nonsense");
}

Test(program, too_little_memory_is_said_so)
{
	result r = RUN("inspect", DIGITS "/model.onnx", "--max-memory", "10k");
	cr_expect(r.status == 3 || r.status == 4, "%d", r.status);
	expect_error(&r, r.status, "--max-memory");
}

/* ---- run ---- */

Test(program, the_top_classes_have_labels)
{
	result r = RUN("run", DIGITS "/model.onnx", "--image", DIGITS "/images/7.png", "--preprocess", "unit",
		       "--top", "2", "--labels", DIGITS "/labels.txt");
	cr_expect_eq(strncmp(r.out, "seven ", 6), 0);
	expect_fine(&r, "     7  0.9");
	r = RUN("run", DIGITS "/model.onnx", "-I", "image=" DIGITS "/images/7.jpg", "-k1", "-l",
		DIGITS "/labels.txt", "--json");
	json_t *root = expect_json(&r),
	       *best = json_array_get(json_array_get(json_object_get(root, "top"), 0), 0);
	cr_expect_str_eq(json_string_value(json_object_get(best, "label")), "seven");
	cr_expect_eq(number(best, "index"), 7);
	cr_expect_gt(real(best, "probability"), 0.9);
	json_t *output = json_array_get(json_object_get(root, "outputs"), 1);
	cr_expect_str_eq(json_string_value(json_object_get(output, "name")), "mask");
	cr_expect_eq(json_integer_value(json_array_get(json_object_get(output, "shape"), 2)), 48);
	json_decref(root);
}

Test(program, outputs_are_written_in_every_form)
{
	const char *folder = make_folder(), *out = in_folder(folder, "out");
	char named[300];
	snprintf(named, sizeof(named), "probabilities=%s/p.pb", folder);
	result r = RUN("run", DIGITS "/model.onnx", "--image", DIGITS "/images/3.png", "--output", out,
		       "--output", named, "--output", in_folder(folder, "all.npz"), "--profile",
		       in_folder(folder, "trace.json"));
	expect_fine(&r, "mask");
	char line[800];
	snprintf(line, sizeof(line),
		 "test -s %s/out/probabilities.npy -a -s %s/out/mask.npy -a -s %s/p.pb -a -s %s/all.npz",
		 folder, folder, folder, folder);
	r = run_shell(line);
	cr_expect_eq(r.status, 0);
	result_free(&r);
	json_error_t error;
	json_t *trace = json_load_file(in_folder(folder, "trace.json"), 0, &error);
	cr_assert_not_null(trace, "%s", error.text);
	cr_expect_gt(json_array_size(json_object_get(trace, "traceEvents")), 10);
	json_decref(trace);
	remove_folder(folder);
}

/* What one run writes, another reads: y = Relu(x) is its own input the second time. */
Test(program, tensors_pass_from_run_to_run_in_every_format)
{
	static const char *const endings[] = { "npy", "npz", "pb", "raw" };
	const char *folder = make_folder(), *model = in_folder(folder, "m.onnx"),
		   *first = in_folder(folder, "first.raw");
	const float data[] = { -1, 2.5f, 3, -4 };
	write_model(model, "Relu", 2, (int64_t[]){ -1, 2 });
	write_file(first, data, sizeof(data));
	for (size_t i = 0; i < 4; i++) {
		char to[300], from[300];
		snprintf(to, sizeof(to), "y=%s/y.%s", folder, endings[i]);
		snprintf(from, sizeof(from), "x=%s/y.%s", folder, endings[i]);
		result r = RUN("run", model, "--input", first, "--output", to);
		expect_fine(&r, "y  float32 2x2  min 0  max 3  mean 1.375  0 2.5 3 0");
		r = RUN("run", model, "--input", from);
		expect_fine(&r, "y  float32 2x2  min 0  max 3  mean 1.375  0 2.5 3 0");
	}
	remove_folder(folder);
}

Test(program, open_dims_can_be_fixed)
{
	const char *folder = make_folder(), *model = in_folder(folder, "m.onnx");
	write_model(model, "Relu", 4, (int64_t[]){ -1, 3, -1, 8 });
	result r = RUN("inspect", model);
	expect_fine(&r, "float32 nx3xkx8");
	r = RUN("inspect", model, "--shape", "x=2x3xhx8");
	expect_fine(&r, "float32 2x3xkx8");
	r = RUN("inspect", model, "--shape", "x=2,3,5,8");
	expect_fine(&r, "float32 2x3x5x8");
	r = RUN("inspect", model, "--shape", "x=2x4x5x8");
	expect_error(&r, 2, "x");
	remove_folder(folder);
}

/* ---- verify ---- */

/* The numbers 1, 2, ... where axis 1 of dims is `axis` in the file. */
static void write_npy(const char *path, size_t rank, const int64_t *dims, size_t axis)
{
	char bytes[128 + 4 * 1024], text[100] = "";
	int64_t shape[5], at[5] = { 0 };
	size_t count = 1, n = 0;
	for (size_t a = 0; a < rank; a++)
		if (a != 1)
			shape[n + (n >= axis)] = dims[a], n++;
	shape[axis] = dims[1];
	for (size_t a = 0; a < rank; a++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d, ", (int)shape[a]);
		count *= (size_t)dims[a];
	}
	memset(bytes, ' ', 128);
	memcpy(bytes, "\x93NUMPY\1\0\x76\0", 10);
	const int length = snprintf(bytes + 10, 118, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", text);
	bytes[10 + length] = ' ';
	bytes[127] = '\n';
	for (size_t k = 0; k < count; k++) {
		int64_t flat = 0;
		for (size_t a = 0, from = 0; a < rank; a++) /* the axis of the file that holds axis a */
			flat = flat * dims[a] + at[a == 1 ? axis : from + (from >= axis)], from += a != 1;
		const float x = (float)(flat + 1);
		memcpy(bytes + 128 + 4 * k, &x, 4);
		for (size_t a = rank; a-- > 0 && ++at[a] == shape[a];)
			at[a] = 0;
	}
	write_file(path, bytes, 128 + 4 * count);
}

/* Files with the channels last are taken where they are promised, at every rank, and the answer is as the model declares it. */
Test(program, channels_last_data_is_accepted)
{
	static const int64_t dims[] = { 2, 3, 4, 5, 6 };
	const char *folder = make_folder(), *model = in_folder(folder, "model.onnx"), *first = in_folder(folder, "first.npy"),
		   *last = in_folder(folder, "last.npy"), *out = in_folder(folder, "out.npy");
	char line[1000], named[200];
	snprintf(named, sizeof(named), "y=%s", out);
	for (size_t rank = 3; rank <= 5; rank++) {
		write_model(model, "Relu", rank, dims);
		write_npy(first, rank, dims, 1);
		write_npy(last, rank, dims, rank - 1);
		static const char *const outputs[] = { "first", "last" };
		for (size_t i = 0; i < 4; i++) {
			result r = RUN("run", model, "--input", i / 2 ? last : first, "--input-layout", "last",
				       "--output-layout", outputs[i % 2], "--output", named);
			expect_fine(&r, "y ");
			/* Relu of positive numbers: the same elements in the declared order. */
			snprintf(line, sizeof(line), "tail -c +129 %s >%s.x && tail -c +129 %s | cmp - %s.x && echo same", first, out,
				 out, out);
			r = run_shell(line);
			expect_fine(&r, "same");
		}
		result r = RUN("bench", model, "--input", last, "--input-layout", "last", "--runs", "1");
		expect_fine(&r, "min");
		r = RUN("run", model, "--input", last);
		expect_error(&r, 2, "found [2,4,");
		r = RUN("run", model, "--input", last, "--output-layout", "last");
		expect_error(&r, 2, "found [2,4,");
	}
	write_npy(last, 4, (const int64_t[]){ 2, 3, 7, 5 }, 1);
	write_model(model, "Relu", 4, dims);
	result r = RUN("run", model, "--input", last, "--input-layout", "last");
	expect_error(&r, 2, "expected float32 2x3x4x5, or channels-last float32 2x4x5x3, found 2x3x7x5");
	remove_folder(folder);
}

Test(program, references_that_agree_exit_with_0_and_others_with_1)
{
	const char *folder = make_folder();
	char model[300], wrong_model[300];
	write_case(folder, "right", "Relu", 2);
	write_case(folder, "wrong", "Relu", 2.5f);
	snprintf(model, sizeof(model), "%s/right/model.onnx", folder);
	snprintf(wrong_model, sizeof(wrong_model), "%s/wrong/model.onnx", folder);
	result r = RUN("verify", model, "--ref", in_folder(folder, "right"));
	expect_fine(&r, "\n1 passed, 0 failed, 0 skipped\n");
	r = RUN("verify", model, "--ref", in_folder(folder, "right/test_data_set_0"));
	expect_fine(&r, "\n1 passed, 0 failed, 0 skipped\n");
	r = RUN("verify", wrong_model, "--ref", in_folder(folder, "wrong"));
	cr_expect_eq(r.status, 1);
	cr_expect_not_null(strstr(r.out, "element 1 is 2, expected 2.5"), "%s", r.out);
	cr_expect_not_null(strstr(r.out, "\n0 passed, 1 failed, 0 skipped\n"));
	result_free(&r);
	r = RUN("verify", wrong_model, "--ref", in_folder(folder, "wrong"), "--atol", "0.6");
	expect_fine(&r, "1 passed");
	write_file(in_folder(folder, "wrong/tol"), "0.3 0\n", 6);
	r = RUN("verify", wrong_model, "--ref", in_folder(folder, "wrong"));
	expect_fine(&r, "1 passed");
	r = RUN("verify", wrong_model, "--ref", in_folder(folder, "wrong/test_data_set_0"));
	expect_fine(&r, "1 passed");
	write_file(in_folder(folder, "wrong/tol"), "nonsense\n", 9);
	r = RUN("verify", wrong_model, "--ref", in_folder(folder, "wrong"));
	expect_error(&r, 4, "tol");
	remove_folder(folder);
}

Test(program, a_converted_model_gives_the_same_answers)
{
	const char *folder = make_folder(), *path = in_folder(folder, "model.onnx"), *model = DIGITS "/model.onnx";
	static const char *const layouts[] = { "first", "last" }, *const strategies[] = { "min", "last", "random:1" };
	for (size_t i = 0; i < 6; i++) {
		result r = RUN("convert", model, "-o", path, "--layout", layouts[i / 3], "--strategy", strategies[i % 3],
			       "--input-layout", "keep", "--output-layout", "keep");
		expect_fine(&r, "transpose ");
		r = RUN("verify", path, "--ref", DIGITS);
		expect_fine(&r, "3 passed, 0 failed");
	}
	result r = RUN("convert", model, "-o", path, "--layout", "last", "--output-layout", "keep", "--external-data", "--json");
	json_t *root = expect_json(&r);
	cr_expect_eq(number(root, "transposes"), 1); /* of the picture */
	cr_expect(json_is_true(json_object_get(root, "optimal")));
	const json_t *shape = json_object_get(json_array_get(json_object_get(root, "inputs"), 0), "shape");
	cr_expect_eq(json_integer_value(json_array_get(shape, 3)), 3);
	json_decref(root);
	r = RUN("convert", path, "-o", path, "--layout", "first"); /* back, in place */
	expect_fine(&r, "transpose 0 of 1 (optimal)");
	r = RUN("verify", path, "--ref", DIGITS);
	expect_fine(&r, "3 passed, 0 failed");
	r = RUN("convert", model, "-o", in_folder(folder, "none/model.onnx"));
	expect_error(&r, 4, "none/model.onnx");
	r = RUN("convert", in_folder(folder, "missing.onnx"), "-o", path);
	expect_error(&r, 4, "missing.onnx");
	remove_folder(folder);
}

Test(program, an_npz_is_a_reference)
{
	const char *folder = make_folder(), *npz = in_folder(folder, "r.npz"),
		   *model = in_folder(folder, "m.onnx");
	char to[300];
	const float data[] = { -1, 2.5f };
	write_model(model, "Relu", 1, (int64_t[]){ 2 });
	write_file(in_folder(folder, "x.raw"), data, sizeof(data));
	snprintf(to, sizeof(to), "y=%s", npz);
	result r = RUN("run", model, "--input", in_folder(folder, "x.raw"), "--output", to);
	expect_fine(&r, "y");
	r = RUN("verify", model, "--ref", npz);
	expect_error(&r, 4, "no data for the input \"x\"");
	r = run_shell("command -v python3 >/dev/null && /usr/bin/python3 -c 'import numpy'");
	const bool numpy = r.status == 0;
	result_free(&r);
	if (numpy) {
		char line[600];
		snprintf(line, sizeof(line),
			 "/usr/bin/python3 -c 'import numpy as n; n.savez(\"%s\", x=n.array([-1, 2.5], "
			 "\"f\"), y=n.array([0, 2.5], "
			 "\"f\"), other=n.zeros(3))' && $CLAST verify %s --ref %s",
			 npz, model, npz);
		r = run_shell(line);
		expect_fine(&r, "1 passed, 0 failed, 0 skipped\n");
	}
	remove_folder(folder);
}

Test(program, a_suite_survives_crashes_and_hangs)
{
	const char *folder = make_folder();
	char line[400];
	write_case(folder, "a_right", "Relu", 2);
	write_case(folder, "b_crash", "Relu", 2);
	write_case(folder, "c_hang", "Relu", 2);
	write_case(folder, "d_quit", "Relu", 2);
	write_case(folder, "e_unsupported", "DoesNotExist", 2);
	write_case(folder, "f_wrong", "Relu", 3);
	write_case(folder, "g_right", "Abs", 2);
	snprintf(line, sizeof(line),
		 "ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$FAULT $CLAST verify --suite %s --timeout "
		 "3 --jobs 3 --json 2>/dev/null",
		 folder);
	result r = run_shell(line);
	cr_expect_eq(r.status, 1);
	json_t *root = expect_json(&r), *cases = json_object_get(root, "cases");
	static const char *const statuses[] = { "passed",  "failed", "failed", "failed",
						"skipped", "failed", "failed" };
	static const char *const reasons[] = { "",
					       "crashed",
					       "still running after 3 s",
					       "crashed: exit status 7",
					       "DoesNotExist",
					       "expected 3",
					       "element 0 is 1, expected 0" };
	cr_expect_eq(number(root, "passed"), 1);
	cr_expect_eq(number(root, "failed"), 5);
	cr_expect_eq(number(root, "skipped"), 1);
	cr_assert_eq(json_array_size(cases), 7);
	for (size_t i = 0; i < 7; i++) {
		const json_t *c = json_array_get(cases, i);
		cr_expect_str_eq(json_string_value(json_object_get(c, "status")), statuses[i], "case %zu", i);
		const char *reason = json_string_value(json_object_get(c, "reason"));
		cr_expect_not_null(strstr(reason, reasons[i]), "%s", reason);
	}
	json_decref(root);
	remove_folder(folder);
}

Test(program, a_suite_ends_with_its_totals)
{
	const char *folder = make_folder();
	write_case(folder, "two", "Relu", 2);
	write_case(folder, "ten", "Relu", 2);
	write_case(folder, "ten/below", "Relu", 3); /* inside a case: not searched */
	result r = RUN("verify", "--suite", folder);
	cr_expect_str_empty(r.err);
	cr_expect_str_eq(
		r.out, "passed  ten  max error 0\npassed  two  max error 0\n2 passed, 0 failed, 0 skipped\n");
	result_free(&r);
	r = RUN("verify", "--suite", folder, "--filter", "tw");
	cr_expect_str_eq(r.out, "passed  two  max error 0\n1 passed, 0 failed, 0 skipped\n");
	result_free(&r);
	r = RUN("verify", "--suite", in_folder(folder, "two"));
	cr_expect_eq(r.status, 0);
	result_free(&r);
	remove_folder(folder);
}

/* ---- JSON and pipes ---- */

Test(program, the_json_fields_that_others_read_are_there)
{
	static const char *const inspect[] = {
		"nodes",      "reference_steps",   "transposes",  "io_transposes", "transpose_bytes",
		"copy_bytes", "lower_bound_bytes", "arena_bytes", "weights_bytes"
	};
	const char *model = DIGITS "/model.onnx";
	result r = RUN("inspect", model, "--json");
	json_t *root = expect_json(&r);
	for (size_t i = 0; i < sizeof(inspect) / sizeof(*inspect); i++)
		cr_expect_geq(number(root, inspect[i]), 0);
	cr_expect(json_is_boolean(json_object_get(root, "optimal")));
	cr_expect_geq(number(json_object_get(json_object_get(root, "strategies"), "min"), "transposes"), 0);
	cr_expect_geq(number(json_object_get(json_object_get(root, "strategies"), "min"), "bytes"), 0);
	cr_expect_gt(number(root, "weights_bytes"), 100000);
	json_decref(root);

	r = RUN("bench", model, "--json", "--threads", "1", "--runs", "3", "--per-node");
	root = expect_json(&r);
	cr_expect_eq(number(root, "threads"), 1);
	const json_t *one = json_array_get(json_object_get(root, "results"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(one, "strategy")), "min");
	cr_expect_gt(real(one, "median_ms"), 0);
	cr_expect_leq(real(one, "min_ms"), real(one, "median_ms"));
	cr_expect_geq(real(one, "p95_ms"), real(one, "median_ms"));
	cr_expect_geq(real(one, "mad_ms"), 0);
	cr_expect_geq(number(one, "transposes"), 0);
	cr_expect_geq(number(one, "bytes"), 0);
	cr_expect_gt(real(root, "load_ms"), 0);
	cr_expect_gt(real(root, "first_ms"), 0);
	cr_expect_gt(number(root, "peak_bytes"), 0);
	cr_expect_gt(json_array_size(json_object_get(root, "nodes")), 10);
	json_decref(root);

	r = RUN("verify", model, "--ref", DIGITS, "--json");
	root = expect_json(&r);
	cr_expect_eq(number(root, "passed"), 3);
	cr_expect_eq(number(root, "failed"), 0);
	cr_expect_eq(number(root, "skipped"), 0);
	one = json_array_get(json_object_get(root, "cases"), 2);
	cr_expect_str_eq(json_string_value(json_object_get(one, "name")), "test_data_set_2");
	cr_expect_str_eq(json_string_value(json_object_get(one, "status")), "passed");
	cr_expect_lt(real(one, "max_abs"), 1e-5);
	json_decref(root);
}

Test(program, lists_are_json_too)
{
	result r = RUN("ops", "--json");
	json_t *root = expect_json(&r);
	cr_expect_gt(json_array_size(json_object_get(root, "ops")), 150);
	json_decref(root);
	r = RUN("devices", "--json");
	root = expect_json(&r);
	cr_expect_geq(number(json_array_get(json_object_get(root, "devices"), 0), "threads"), 1);
	json_decref(root);
	r = RUN("help", "--json");
	root = expect_json(&r);
	cr_expect_eq(json_array_size(json_object_get(root, "commands")), COMMANDS);
	json_decref(root);
}

Test(program, json_goes_to_a_file_if_asked)
{
	const char *folder = make_folder(), *path = in_folder(folder, "ops.json");
	json_error_t error;
	result r = RUN("ops", "--json", path);
	cr_expect_eq(r.status, 0);
	cr_expect_str_empty(r.out);
	result_free(&r);
	json_t *root = json_load_file(path, 0, &error);
	cr_expect_not_null(root, "%s", error.text);
	json_decref(root);
	remove_folder(folder);
}

Test(program, a_reader_may_leave_early)
{
	result r = run_shell("{ $CLAST ops; echo status $? >&2; } | head -n 1");
	cr_expect_str_eq(r.err, "status 0\n");
	result_free(&r);
	r = run_shell("{ $CLAST inspect " DIGITS "/model.onnx --layout; echo status $? >&2; } | true");
	cr_expect_str_eq(r.err, "status 0\n");
	result_free(&r);
	r = run_shell("$CLAST ops > /dev/full");
	cr_expect_eq(r.status, 4);
	cr_expect_not_null(strstr(r.err, "standard output"));
	result_free(&r);
}

Test(program, nothing_is_coloured_in_a_pipe)
{
	result r = RUN("inspect", DIGITS "/model.onnx", "--layout", "--memory", "--ops");
	cr_expect_null(strchr(r.out, '\033'));
	expect_fine(&r, "largest values");
}

Test(program, an_interrupt_ends_a_suite_cleanly)
{
	const char *folder = make_folder();
	char line[400];
	write_case(folder, "a_right", "Relu", 2);
	write_case(folder, "b_hang", "Relu", 2);
	write_case(folder, "c_right", "Relu", 2);
	snprintf(line, sizeof(line),
		 "export ASAN_OPTIONS=verify_asan_link_order=0; LD_PRELOAD=$FAULT $CLAST verify --suite %s & "
		 "sleep 2; kill -TERM $!; wait $!",
		 folder);
	result r = run_shell(line);
	cr_expect_eq(r.status, 130);
	cr_expect_str_eq(r.out, "passed  a_right  max error 0\n1 passed, 0 failed, 0 skipped\n");
	result_free(&r);
	remove_folder(folder);
}

/* ---- Benchmarks ---- */

static json_t *list_of(const json_t *root, const char *key)
{
	json_t *list = json_object_get(root, key);
	cr_assert(json_is_array(list), "%s", key);
	return list;
}

Test(program, bench_times_single_layers_in_every_order)
{
	static const char *const layers[] = { "conv,c=16,h=8,m=24", "conv,c=8,h=9,k=5,stride=2,group=2", "depthwise,c=16,h=8", "pool,c=8,h=8",
					      "average,c=8,h=8", "dense,c=32,m=16", "matmul,h=8", "concat,c=8,h=4,parts=3",
					      "upsample,c=8,h=4,linear=1", "softmax,n=2,m=8", "layernorm,m=4,c=32" };
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++) {
		result r = RUN("bench", "--layer", layers[i], "--layer-orders", "first,last,first>last", "--strategies", "min,first", "--runs", "2",
			       "--threads", "1", "--json");
		json_t *root = expect_json(&r), *results = list_of(root, "results");
		cr_expect_eq(json_array_size(results), 6, "%s", layers[i]);
		for (size_t k = 0; k < json_array_size(results); k++) {
			const json_t *row = json_array_get(results, k);
			cr_expect_gt(real(row, "median_ms"), 0);
			cr_expect_geq(real(row, "p95_ms"), real(row, "min_ms"));
			/* The parts of a concatenation may be brought into its order in their places. */
			cr_expect(real(row, "bytes_moved") > 0 || !strncmp(layers[i], "concat", 6));
		}
		json_decref(root);
	}
}

/* What is counted is what the definition of a convolution says. */
Test(program, bench_counts_the_work_of_a_layer)
{
	result r = RUN("bench", "--layer", "conv,n=2,c=16,h=10,w=6,k=3,m=24,pad=0", "--layer-orders", "last", "--runs", "1", "--threads", "1",
		       "--precision", "exact", "--json");
	json_t *root = expect_json(&r);
	const json_t *row = json_array_get(list_of(root, "results"), 0);
	cr_expect_eq(real(row, "flops"), 2.0 * (2 * 8 * 4 * 24) * (16 * 9));
	cr_expect_eq(real(row, "bytes_moved"), 4.0 * (2 * 10 * 6 * 16 + 2 * 8 * 4 * 24 + 24 * 16 * 9 + 24));
	cr_expect_eq(json_integer_value(json_object_get(row, "transposes")), 0);
	json_decref(root);
}

Test(program, bench_sweeps_and_writes_tables)
{
	result r = RUN("bench", "--layer", "dense,n=1..4*2,c=8/16,m=8", "--layer", "pool,c=4,h=4", "--isas", "all", "--runs", "1",
		       "--threads", "1", "--csv", "-");
	size_t lines = 0;
	for (const char *at = r.out; (at = strchr(at, '\n')); at++)
		lines++;
	cr_expect_eq((lines - 1) % 7, 0, "%zu lines: %s", lines, r.out);
	expect_fine(&r, "kind,n,c,h,w,k,m,");
}

Test(program, bench_says_what_is_wrong_with_a_layer)
{
	static const struct {
		const char *layer, *says;
	} cases[] = { { "nonsense", "there are conv, depthwise" },
		      { "conv,z=1", "no key \"z\"" },
		      { "conv,c", "KEY=VALUE" },
		      { "conv,c=1,c=2", "given twice" },
		      { "conv,c=x", "expected numbers" },
		      { "conv,c=4..2", "expected numbers" },
		      { "conv,c=1..8*1", "expected numbers" },
		      { "conv,c=", "expected numbers" },
		      { "conv,c=0", "at least 1" },
		      { "conv,c=9999999", "expected numbers up to" },
		      { "conv,c=6,group=4", "group has to divide" },
		      { "conv,h=2,k=9,pad=0", "larger than the padded image" },
		      { "pool,k=2,pad=2", "smaller than the kernel" },
		      { "concat,parts=17", "at most 16" },
		      { "conv,c=1..1000,h=1..1000", "combinations" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		result r = RUN("bench", "--layer", cases[i].layer, "--runs", "1");
		expect_error(&r, 2, cases[i].says);
	}
	result r = RUN("bench", "--layer", "dense", "--layer-orders", "sideways");
	expect_error(&r, 2, "first>last");
	r = RUN("bench", "--layer", "dense", "--isas", "nonsense");
	expect_error(&r, 2, "no such instruction set");
	r = RUN("bench", "--layer", "dense", "model.onnx");
	expect_error(&r, 2, "one too many");
	r = RUN("bench", "--layer", "help");
	expect_fine(&r, "upsample");
}

Test(program, bench_compares_steps_with_the_machine)
{
	const char *folder = make_folder();
	char trace[300];
	snprintf(trace, sizeof(trace), "%s/trace.json", folder);
	result r = RUN("bench", DIGITS "/model.onnx", "--threads", "1", "--runs", "3", "--roofline", "--profile", trace, "--json");
	json_t *root = expect_json(&r), *roof = json_object_get(root, "roofline"), *steps = list_of(roof, "layers");
	cr_expect_gt(real(roof, "peak_gflops"), 0);
	cr_expect_gt(real(roof, "bandwidth_gbs"), 0);
	size_t computing = 0;
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *x = json_array_get(steps, i);
		computing += !strcmp(json_string_value(json_object_get(x, "op")), "Conv") && real(x, "flops") > 0 &&
			     real(x, "effective_percent") > 0 && real(x, "limit_ms") > 0;
	}
	cr_expect_gt(computing, 0);
	json_decref(root);
	json_error_t error;
	root = json_load_file(trace, 0, &error);
	cr_assert_not_null(root, "%s", error.text);
	cr_expect_geq(json_array_size(list_of(root, "traceEvents")), 3);
	json_decref(root);
}
