// Tables for people: columns as wide as their content, numbers to the right.
//
// A plain value; not thread-safe. Cells count as wide as they have UTF-8 characters.
#ifndef CLIENT_CLI_TABLE_H_
#define CLIENT_CLI_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/terminal.h"

namespace estiba::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

struct Cell {
  Cell(std::string cell_text, Style cell_style = Style::kPlain)  // NOLINT: a cell is its text
      : text(std::move(cell_text)), style(cell_style) {}
  Cell(const char* cell_text) : text(cell_text) {}  // NOLINT: a cell is its text

  std::string text;
  Style style;
};

// How many characters `text` takes on the screen.
size_t DisplayWidth(absl::string_view text);

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }

  // A line of titles and one for each row, without trailing spaces, two spaces between columns.
  std::string Render(bool color) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// One thing in detail: names and values, aligned in two columns.
std::string RenderFields(const std::vector<std::pair<std::string, std::string>>& fields,
                         bool color);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_TABLE_H_
