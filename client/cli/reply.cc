// estiba reply: answers the requests of a topic.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/cli/child_process.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupt.h"
#include "client/cli/literal_argument.h"
#include "client/cli/message_json.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "estiba/responder.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Examples:
  estiba reply upper --exec 'tr a-z A-Z'     each request through a command of the shell
  estiba reply prices --text 42              the same reply to all
  estiba reply ping --echo                   the request itself
  estiba reply jobs --exec ./work --subscription workers     share the requests with others that say the same
  estiba reply ping --echo --count 1         answer one and end
  estiba reply 'rpc.*' -s rpc --exec ./serve        all topics that match, by name in ESTIBA_TOPIC
Then, elsewhere:  estiba request upper hello

--exec: the command finds the payload on its standard input, and in its environment ESTIBA_TOPIC,
ESTIBA_SEQUENCE, ESTIBA_KEY and the attributes as ESTIBA_ATTRIBUTE_name (letters, digits and _ only). What it
prints is the reply, without the last newline. Where it ends with a code other than 0 the caller gets an
error that says so. One runs at a time; start several `estiba reply` for more. A command may take as long
as --ack-deadline, or the request goes to another.

The requests of one --subscription (default: named like the topic) are shared by its responders. A request
is acked with its reply: if this ends in the middle, another gets it. What comes too late for its caller
is passed over.

It runs until Ctrl-C. --json prints each request as `estiba sub --json` does. Exit codes: 0 ended by
Ctrl-C or --count; otherwise why the stream ended.)";

struct ReplyOptions {
  std::string topic;
  std::optional<std::string> exec;
  std::optional<std::string> text;
  bool echo = false;
  std::string subscription;
  std::optional<uint64_t> count;
  absl::Duration ack_deadline = absl::ZeroDuration();
};

bool FitsVariable(std::string_view name) {
  for (const char c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

std::string_view TopicOf(const ReplyOptions& options, const MessageView& request) {
  return request.topic().empty() ? options.topic : request.topic();
}

absl::StatusOr<Message> ReplyByCommand(const ReplyOptions& options, const MessageView& request) {
  std::vector<std::pair<std::string, std::string>> environment = {
      {"ESTIBA_TOPIC", std::string(TopicOf(options, request))},
      {"ESTIBA_SEQUENCE", absl::StrCat(request.sequence())},
      {"ESTIBA_KEY", std::string(request.ordering_key())}};
  for (const auto& [name, value] : request.attributes()) {
    if (!FitsVariable(name)) continue;
    environment.emplace_back("ESTIBA_ATTRIBUTE_" + std::string(name), std::string(value));
  }
  absl::StatusOr<ChildResult> result = RunShell(*options.exec, request.data(), environment);
  if (!result.ok()) return result.status();
  if (result->exit_code != 0) {
    return absl::UnknownError(absl::StrCat("the command ended with ", result->exit_code));
  }
  if (!result->output.empty() && result->output.back() == '\n') result->output.pop_back();
  return Message{.data = std::move(result->output)};
}

absl::StatusOr<Message> MakeReply(const ReplyOptions& options, const MessageView& request) {
  if (options.echo) return request.ToMessage();
  if (options.text) return Message{.data = *options.text};
  return ReplyByCommand(options, request);
}

int RunReply(const Context& context, const ReplyOptions& options) {
  if (options.exec.has_value() + options.text.has_value() + options.echo != 1) {
    return FailUsage(context, "what to reply? Give one of --exec, --text and --echo");
  }
  Interrupt interrupt;
  const Client client(context.MakeClientOptions("reply"));
  if (const absl::Status reachable = CheckServing(client, context); !reachable.ok()) {
    return Fail(context, absl::StrCat("cannot reach ", context.server), reachable);
  }
  ResponderOptions responder_options{.subscription = options.subscription,
                                     .ack_deadline = options.ack_deadline};
  // No more than is wanted, so that the rest goes to others.
  if (options.exec || options.count) responder_options.max_outstanding = 1;
  responder_options.on_disconnect = [](const absl::Status& why) {
    Warn(absl::StrCat("connection lost, trying again: ", why.message()));
  };
  Responder responder(client, options.topic, std::move(responder_options));
  interrupt.OnInterrupt([&] { responder.Stop(); });
  uint64_t answered = 0;
  const absl::Status started =
      responder.Start([&](const MessageView& request) -> absl::StatusOr<Message> {
        if (context.json) {
          std::string line;
          AppendMessageJson(line, TopicOf(options, request), request);
          WriteFully(STDOUT_FILENO, line).IgnoreError();
        }
        absl::StatusOr<Message> reply = MakeReply(options, request);
        if (!reply.ok()) {
          Warn(absl::StrCat("request ", request.sequence(), ": ", reply.status().message()));
        }
        if (options.count && ++answered == *options.count) responder.Stop();
        return reply;
      });
  // (Interrupted before it began: then it has ended.)
  const absl::Status ended = responder.Wait();
  interrupt.OnInterrupt(nullptr);
  if (ended.ok() || interrupt.interrupted()) return kExitOk;
  return Fail(context, absl::StrCat("cannot reply on '", options.topic, "'"),
              started.ok() ? ended : started);
}

}  // namespace

void AddReply(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("reply", "Answer the requests of a topic");
  command->footer(kHelp);
  auto options = std::make_shared<ReplyOptions>();
  command->add_option("topic", options->topic, "Whose requests; created if it does not exist")
      ->required()
      ->type_name("TOPIC");
  CLI::Option* exec = command->add_option("-x,--exec", options->exec,
                                          "Reply with the output of this shell command");
  exec->type_name("COMMAND");
  CLI::Option* text = command->add_option("--text", options->text, "Reply with this text");
  text->type_name("TEXT");
  CLI::Option* echo = command->add_flag("--echo", options->echo, "Reply with the request");
  exec->excludes(text)->excludes(echo);
  text->excludes(echo);
  command
      ->add_option("-s,--subscription", options->subscription,
                   "Share the requests with others of this name (default: the topic's)")
      ->type_name("NAME");
  AddCount(*command, "-n,--count", options->count, "Answer this many, then end");
  AddDuration(*command, "--ack-deadline", options->ack_deadline,
              "A request not answered by then goes to others (100ms-10m; default: 10s)");
  command->callback([&context, options] {
    for (std::string* argument : {&options->topic, &options->subscription}) Unmark(*argument);
    for (auto* argument : {&options->exec, &options->text}) {
      if (*argument) Unmark(**argument);
    }
    context.run = [&context, options] { return RunReply(context, *options); };
  });
}

}  // namespace estiba::cli
