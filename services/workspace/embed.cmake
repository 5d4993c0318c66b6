# cmake -DINPUT=file -DOUTPUT=file.cpp -DSYMBOL=name -P embed.cmake: a text file as a C string, line by line (no limit on literals is met).
file(READ ${INPUT} TEXT)
string(REPLACE "\\" "\\\\" TEXT "${TEXT}")
string(REPLACE "\"" "\\\"" TEXT "${TEXT}")
string(REPLACE "\n" "\\n\"\n\"" TEXT "${TEXT}")
string(REGEX REPLACE "^(.*)::([^:]+)$" "\\1" SPACE "${SYMBOL}")
string(REGEX REPLACE "^(.*)::([^:]+)$" "\\2" NAME "${SYMBOL}")
file(WRITE ${OUTPUT} "namespace ${SPACE} {\nextern const char* const ${NAME};\nconst char* const ${NAME} =\n\"${TEXT}\";\n}  // namespace ${SPACE}\n")
