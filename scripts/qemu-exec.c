/* Preloaded into a program that runs under qemu-user, makes what it executes run there too. Criterion starts each test
 * as a process of its own by executing itself, which the kernel refuses for a foreign program unless binfmt_misc knows
 * the emulator, and that takes root. QEMU holds the emulator's path; the rest of the environment reaches it as it is,
 * but for LD_PRELOAD: the emulator's own loader would stumble over it, and QEMU_SET_ENV sets it anew for the program. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 1024 };

int execve(const char *path, char *const argv[], char *const envp[])
{
	const char *qemu = getenv("QEMU");
	const char *args[MOST + 4] = { "qemu", "-0", argv[0], path };
	const char *environment[MOST + 1] = { NULL };
	size_t arg_count = 4, count = 0;
	for (size_t i = 1; argv[i]; i++) {
		if (i == MOST)
			return errno = E2BIG, -1;
		args[arg_count++] = argv[i];
	}
	for (size_t i = 0; envp[i]; i++) {
		if (count == MOST)
			return errno = E2BIG, -1;
		if (strncmp(envp[i], "LD_PRELOAD=", 11) != 0)
			environment[count++] = envp[i];
	}
	if (!qemu)
		return errno = ENOENT, -1;
	return (int)syscall(SYS_execve, qemu, args, environment);
}
