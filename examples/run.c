/* Runs a model on one tensor: run MODEL.onnx INPUT.pb
 * Build it against the installed library: cc run.c $(pkg-config --cflags --libs clast) */
#include <clast/clast.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	clast_model *model = NULL;
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	clast_tensor *input = NULL, *output = NULL; /* the session owns what it puts into output */
	clast_diag diag = { 0 };
	if (argc != 3)
		return 2;
	const int failed = clast_model_load(argv[1], NULL, &model, &diag) || clast_plan_create(model, NULL, &plan, &diag) ||
			   clast_session_create(plan, NULL, &session, &diag) || clast_tensor_load(argv[2], &input, &diag) ||
			   clast_session_run(session, 1, (const clast_tensor *const *)&input, 1, &output, &diag);
	if (failed)
		fprintf(stderr, "%s: %s\n", clast_status_name(diag.status), diag.message);
	for (size_t i = 0; !failed && i < clast_tensor_count(output) && clast_tensor_dtype(output) == CLAST_FLOAT32; i++)
		printf("%g\n", ((const float *)clast_tensor_data(output))[i]);
	clast_tensor_free(&input);
	clast_session_free(&session);
	clast_plan_free(&plan);
	clast_model_free(&model);
	return failed;
}
