#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

bool fault_set(struct fault *f, enum error_code code, int number, const char *format, ...)
{
	va_list arguments;
	size_t length;

	f->code = code;
	f->number = number;
	va_start(arguments, format);
	vsnprintf(f->message, sizeof(f->message), format, arguments);
	va_end(arguments);
	length = strlen(f->message);
	if (number)
		snprintf(f->message + length, sizeof(f->message) - length, ": %s", strerror(number));
	return false;
}

static void log_line(char level, const char *format, va_list arguments, int number)
{
	char line[600] = { '<', level, '>', 'd', 'v', 'm', ':', ' ' };
	size_t length = 8;

	vsnprintf(line + length, sizeof(line) - length, format, arguments);
	length = strlen(line);
	if (number)
		snprintf(line + length, sizeof(line) - length, ": %s", strerror(number));
	length = strlen(line);
	/* Descriptor 2 is /dev/kmsg; when even that fails there is nobody left to tell. */
	if (write(2, line, length) < 0)
		return;
}

void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line('3', format, arguments, 0); /* an error: shown on a quiet console as well */
	va_end(arguments);
}

void die(const char *format, ...)
{
	int number = errno;
	va_list arguments;

	va_start(arguments, format);
	log_line('2', format, arguments, number);
	va_end(arguments);
	reboot(RB_AUTOBOOT);
	_exit(1);
}
