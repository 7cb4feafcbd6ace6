#include "client/cli/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace estiba::cli {
namespace {

void AppendCell(std::string& line, const Cell& cell, size_t width, Align align, bool last,
                bool color) {
  const std::string padding(width - DisplayWidth(cell.text), ' ');
  if (align == Align::kRight) line += padding;
  line += Styled(cell.text, cell.style, color && !cell.text.empty());
  if (align == Align::kLeft) line += padding;
  if (!last) {
    line += "  ";
    return;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  line += '\n';
}

}  // namespace

size_t DisplayWidth(absl::string_view text) {
  // Bytes that begin a character: all but UTF-8 continuation bytes.
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void Table::AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }

std::string Table::Render(bool color) const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) widths.push_back(DisplayWidth(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    }
  }
  std::string text;
  const size_t last = columns_.size() - 1;
  for (size_t i = 0; i < columns_.size(); ++i) {
    AppendCell(text, Cell(columns_[i].title, Style::kBold), widths[i], columns_[i].align, i == last,
               color);
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      AppendCell(text, row[i], widths[i], columns_[i].align, i == last, color);
    }
  }
  return text;
}

std::string RenderFields(const std::vector<std::pair<std::string, std::string>>& fields,
                         bool color) {
  size_t width = 0;
  for (const auto& field : fields) width = std::max(width, DisplayWidth(field.first));
  std::string text;
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&text, Styled(name, Style::kDim, color),
                    std::string(width - DisplayWidth(name) + 2, ' '), value, "\n");
  }
  return text;
}

}  // namespace estiba::cli
