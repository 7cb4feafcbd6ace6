// estiba request: asks and prints the reply.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/input.h"
#include "client/cli/interrupt.h"
#include "client/cli/literal_argument.h"
#include "client/cli/message_json.h"
#include "client/cli/output.h"
#include "client/cli/terminal.h"
#include "estiba/requester.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Examples:
  estiba reply upper --exec 'tr a-z A-Z' &     somebody who answers
  estiba request upper hello                   HELLO
  estiba request upper < letter.txt            the request is standard input, as it is
  estiba request prices tea --timeout 500ms --json
  estiba request orders -k anna -a kind=cancel 4711

The request is published to the topic as an ordinary message, and the reply comes straight back: it is
not stored. How long to wait is --timeout (default: 10s; the broker waits at most 10 minutes). Without
anybody to reply the command ends at once, and nothing is published.

Output: the reply's payload and a newline (--raw: no newline); --json gives on one line
  {"topic":"prices","seconds":0.001,"ordering_key":"k","attributes":{"a":"b"},"data":"3"}
with "data_base64" where the payload is not UTF-8.

Exit codes: 0 replied; 1 the responder answered with an error, which is told on standard error; 4 nobody
is there to reply, or nobody replied in time (then the request may still be carried out).)";

struct RequestOptions {
  std::string topic;
  std::optional<std::string> payload;
  std::vector<std::string> attributes;
  std::string key;
  bool raw = false;
};

absl::StatusOr<Message> MakeRequest(const RequestOptions& options, const Interrupt& interrupt) {
  Message message{.ordering_key = options.key};
  for (const std::string& attribute : options.attributes) {
    const size_t equals = attribute.find('=');
    message.attributes.emplace_back(attribute.substr(0, equals), attribute.substr(equals + 1));
  }
  if (options.payload) {
    message.data = *options.payload;
    return message;
  }
  const absl::Status read = ReadRecords("-", {.whole = true}, interrupt,
                                        [&](absl::Span<const std::string_view> records, uint64_t) {
                                          for (const std::string_view record : records)
                                            message.data.append(record);
                                          return absl::OkStatus();
                                        });
  if (!read.ok()) return read;
  return message;
}

int PrintReply(const Context& context, const RequestOptions& options, const Message& reply,
               absl::Duration took) {
  if (!context.json) return PrintText(options.raw ? reply.data : reply.data + "\n");
  nlohmann::ordered_json json = {{"topic", options.topic},
                                 {"seconds", absl::ToDoubleSeconds(took)}};
  if (!reply.ordering_key.empty()) json["ordering_key"] = reply.ordering_key;
  for (const auto& [key, value] : reply.attributes) json["attributes"][key] = value;
  if (IsUtf8(reply.data)) {
    json["data"] = reply.data;
  } else {
    json["data_base64"] = absl::Base64Escape(reply.data);
  }
  return PrintJson(json);
}

int RunRequest(const Context& context, const RequestOptions& options) {
  if (!options.payload && IsTerminal(STDIN_FILENO)) {
    return FailUsage(context, "nothing to ask: give PAYLOAD, or pipe it in");
  }
  for (const std::string& attribute : options.attributes) {
    if (attribute.find('=') == std::string::npos || attribute.front() == '=') {
      return FailUsage(context,
                       absl::StrCat("--attribute '", attribute, "' is not of the form key=value"));
    }
  }
  if (context.json && options.raw) return FailUsage(context, "--json excludes --raw");
  std::optional<Interrupt> interrupt(std::in_place);
  const absl::StatusOr<Message> message = MakeRequest(options, *interrupt);
  interrupt.reset();  // from here on Ctrl-C may end it at once
  if (!message.ok()) return Fail(context, "cannot read the request", message.status());
  const Client client(context.MakeClientOptions("request"));
  Requester requester(client, options.topic, {.timeout = context.timeout});
  const absl::Time start = absl::Now();
  const absl::StatusOr<Message> reply = requester.Request(*message);
  if (reply.ok()) return PrintReply(context, options, *reply, absl::Now() - start);
  if (IsResponderError(reply.status())) {
    const absl::Status told = absl::UnknownError(absl::StrCat(
        absl::StatusCodeToString(reply.status().code()), ": ", reply.status().message()));
    return Fail(context, "the responder answered", told);
  }
  return Fail(context, absl::StrCat("no reply from '", options.topic, "'"),
              absl::IsDeadlineExceeded(reply.status())
                  ? absl::DeadlineExceededError("nobody replied in time")
                  : reply.status());
}

}  // namespace

void AddRequest(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("request", "Ask over a topic, and print the reply");
  command->footer(kHelp);
  auto options = std::make_shared<RequestOptions>();
  command->add_option("topic", options->topic, "Whom to ask")->required()->type_name("TOPIC");
  command->add_option("payload", options->payload, "The request; none: standard input")
      ->type_name("PAYLOAD");
  command->add_option("-a,--attribute", options->attributes, "Attribute of the request; repeatable")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("-k,--key", options->key, "Ordering key of the request")->type_name("KEY");
  command->add_flag("--raw", options->raw, "The payload as it is, without a newline");
  command->callback([&context, options] {
    for (std::string* text : {&options->topic, &options->key}) Unmark(*text);
    if (options->payload) Unmark(*options->payload);
    Unmark(options->attributes);
    context.run = [&context, options] { return RunRequest(context, *options); };
  });
}

}  // namespace estiba::cli
