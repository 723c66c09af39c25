# One set of warnings for all of our code.
set(csctrl_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
                    -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef)
if(CSCTRL_WERROR)
  list(APPEND csctrl_warnings -Werror)
endif()
add_compile_options("$<$<COMPILE_LANGUAGE:C>:${csctrl_warnings}>")
