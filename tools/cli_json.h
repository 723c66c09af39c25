/* cli_json.h - JSON of what the user's files are called; JSON by the line. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>

/* JSON string of any text: bytes that are not UTF-8 become '?'. */
json_t *cli_json_text(const char *text);

/* Each line of a file such as metrics.jsonl that is an object; a run that was killed may have left
 * a last line that is none. `take` returns an exit code; the first that is not CLI_OK ends it. No
 * file: no lines. */
int cli_json_lines(const char *path, int (*take)(void *user, const json_t *object), void *user);

#endif
