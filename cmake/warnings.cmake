# One set of warnings for all of our code.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
                    -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef)
if(CSCTRL_WERROR)
  add_compile_options(-Werror)
endif()
