// Lists that come in pages.
#ifndef ESTIBA_CLIENT_SRC_ADMIN_PAGING_H_
#define ESTIBA_CLIENT_SRC_ADMIN_PAGING_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/src/admin_codec.h"
#include "estiba/admin.h"

namespace estiba::internal {

template <typename Request>
void SetPage(const PageRequest& page, Request& request) {
  request.set_page_size(page.page_size);
  request.set_page_token(page.page_token);
}

template <typename T, typename Items>
Page<T> MakePage(const Items& items, const std::string& next_page_token) {
  Page<T> page;
  page.items.reserve(static_cast<size_t>(items.size()));
  for (const auto& item : items) page.items.push_back(FromProto(item));
  page.next_page_token = next_page_token;
  return page;
}

// Calls `list` with one page request after the other.
template <typename T, typename List>
absl::StatusOr<std::vector<T>> AllPages(List list) {
  std::vector<T> all;
  PageRequest request{.page_size = 1000};
  do {
    absl::StatusOr<Page<T>> page = list(request);
    if (!page.ok()) return page.status();
    for (T& item : page->items) all.push_back(std::move(item));
    request.page_token = page->next_page_token;
  } while (!request.page_token.empty());
  return all;
}

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_ADMIN_PAGING_H_
