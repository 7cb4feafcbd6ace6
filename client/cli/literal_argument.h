// Keeps CLI11 from taking arguments apart: it reads '[a,b]' as a list of two and '{}' as no value,
// but a message of that form is just a message.
//
// Thread-safe: free functions without state.
#ifndef CLIENT_CLI_LITERAL_ARGUMENT_H_
#define CLIENT_CLI_LITERAL_ARGUMENT_H_

#include <string>
#include <vector>

namespace estiba::cli {

// The arguments (without the program's name), those that CLI11 would misread marked.
std::vector<std::string> MarkLiterals(int argc, const char* const* argv);

// Takes the mark off, where there is one.
void Unmark(std::string& argument);
void Unmark(std::vector<std::string>& arguments);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_LITERAL_ARGUMENT_H_
