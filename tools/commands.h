/* commands.h - every verb of the program, in cmd_VERB.c. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli.h"

extern const cli_command cli_train;
extern const cli_command cli_resume;
extern const cli_command cli_study;
extern const cli_command cli_eval;
extern const cli_command cli_reconstruct;
extern const cli_command cli_encode;
extern const cli_command cli_decode;
extern const cli_command cli_sample;
extern const cli_command cli_report;
extern const cli_command cli_info;
extern const cli_command cli_score;
extern const cli_command cli_stats;
extern const cli_command cli_data;
extern const cli_command cli_doctor;
extern const cli_command cli_options;
extern const cli_command cli_completion;

#endif
