# Turns policy files into C: policy_builtin_text() with one string constant a file. Plain awk (mawk
# on a bare Debian), so that building needs nothing else.
# usage: awk -f tools/embed.awk profiles/default.json ... > build/gen/profiles.c

function name_of(path)
{
	sub(/.*\//, "", path)
	sub(/\.json$/, "", path)
	return path
}

BEGIN {
	print "/* Made by tools/embed.awk from profiles/: change those. */"
	print "#include <string.h>\n"
	print "#include \"policy.h\"\n"
	print "static const struct {\n\tconst char *name;\n\tconst char *text;\n} policies[] = {"
}

FNR == 1 {
	if (NR != 1)
		print "\t},"
	print "\t{\"" name_of(FILENAME) "\","
}

{
	gsub(/\\/, "&&") # not "\\\\": awks differ on what that is
	gsub(/"/, "\\\"")
	gsub(/\t/, "\\t")
	print "\t \"" $0 "\\n\""
}

END {
	print "\t},\n};\n"
	print "const char *policy_builtin_text(const char *name, size_t *length)\n{"
	print "\tfor (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {"
	print "\t\tif (strcmp(policies[i].name, name) == 0) {"
	print "\t\t\t*length = strlen(policies[i].text);"
	print "\t\t\treturn policies[i].text;"
	print "\t\t}"
	print "\t}"
	print "\treturn NULL;"
	print "}"
}
