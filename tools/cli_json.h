/* cli_json.h - JSON of what the user's files are called. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>

/* JSON string of any text: bytes that are not UTF-8 become '?'. */
json_t *cli_json_text(const char *text);

#endif
