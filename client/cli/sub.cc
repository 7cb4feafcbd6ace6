// estiba sub: consumes a topic and writes what comes.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/consume_job.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/message_writer.h"
#include "client/cli/options.h"
#include "client/cli/terminal.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Examples:
  estiba sub orders                                everything kept, then what comes, until Ctrl-C
  estiba sub orders --from latest                  only what comes from now on
  estiba sub prices --last                         the last message, then what comes
  estiba sub prices --last=key                     the last message of each ordering key, then what comes
  estiba sub orders --from '10m ago' --json        JSON lines, from ten minutes ago
  estiba sub orders --filter 'attributes.kind = "new"'    only messages with that attribute
  estiba sub 'orders.*.created' --json             all topics that match, also those made later
  estiba sub 'orders.>' --subscription audit       "*": one token between dots; ">": one or more, last
  estiba sub orders --subscription billing         share the messages with others of that name
  estiba sub orders --subscription billing --count 10    take ten, leave the rest
  estiba sub orders --subscription billing --exactly-once    no ack counts twice, or too late
  estiba sub logs --drain --raw > all.log          what is there now, byte for byte
  estiba sub files --drain --null | xargs -0 ls    records that end with a NUL byte

Without --subscription this is a private subscription: it gets everything the topic keeps, and ends
with the command. A named one is created on first use, keeps its place when the command ends, and
its consumers share its messages. See `estiba subscription --help`.

Output: on a terminal lines for people (--pretty), otherwise payload and newline (--raw); --json gives
  {"topic":"orders","sequence":7,"publish_time":"2026-01-31T12:00:00.000Z","attempt":1,
   "ordering_key":"anna","attributes":{"kind":"new"},"data":"text"}            (on one line)
with "data_base64" for payloads that are not UTF-8, and {"topic":...,"gap":{...}} for messages that were
given up before this subscription got them. Gaps are told on standard error as well.

Acks: a message is acked when its output has been written, so nothing is lost where the reader goes
away (`| head`), the disk is full, or you press Ctrl-C. `--ack auto` is a little faster: a message counts
as consumed when the broker has sent it. With --exactly-once the broker confirms or refuses each ack;
refused ones are counted and told on standard error: those messages come again, perhaps to others.)";

struct SubOptions {
  std::string topic;
  std::string subscription;
  std::optional<uint64_t> count;
  bool follow = false;
  std::optional<absl::Duration> until_idle;
  bool drain = false;
  StartFrom from = StartFrom::Earliest();
  std::string last;  // "topic", "key", or empty
  AckMode ack = AckMode::kExplicit;
  absl::Duration ack_deadline = absl::ZeroDuration();
  SubscriptionConfig config;
  bool raw = false;
  bool pretty = false;
  bool no_newline = false;
  bool null = false;
};

std::string WhatIsWrong(const SubOptions& options, const Context& context) {
  if (options.topic.empty() && options.subscription.empty()) {
    return "which topic? Give TOPIC, or --subscription NAME of one that exists";
  }
  if (options.count && options.ack == AckMode::kAuto) {
    return "--count needs explicit acks: with automatic ones the broker may have sent, and "
           "forgotten, "
           "more than that";
  }
  if (!options.last.empty() && options.last != "topic" && options.last != "key") {
    return absl::StrCat("--last: '", options.last, "' is neither 'topic' nor 'key'");
  }
  if (options.ack == AckMode::kAuto && options.ack_deadline > absl::ZeroDuration()) {
    return "--ack-deadline has no meaning with --ack auto";
  }
  if (options.ack == AckMode::kAuto && options.config.exactly_once) {
    return "--exactly-once needs explicit acks, which --ack auto is not";
  }
  if (context.json && (options.raw || options.pretty || options.null || options.no_newline)) {
    return "--json excludes --raw, --pretty, --null and --no-newline";
  }
  return "";
}

MessageWriter Writer(const SubOptions& options, const Context& context) {
  const bool raw = options.raw || options.null || options.no_newline;
  MessageStyle style = MessageStyle::kRaw;
  if (context.json) {
    style = MessageStyle::kJson;
  } else if (options.pretty || (!raw && IsTerminal(STDOUT_FILENO))) {
    style = MessageStyle::kPretty;
  }
  const std::string ending = options.null ? std::string(1, '\0') : options.no_newline ? "" : "\n";
  return MessageWriter(style, ending, context.ColorOut());
}

ConsumeJob::Options JobOptions(const SubOptions& options) {
  ConsumeJob::Options job;
  job.subscriber.topic = options.topic;
  job.subscriber.subscription = options.subscription;
  job.subscriber.from = options.last == "topic" ? StartFrom::Last()
                        : options.last == "key" ? StartFrom::LastOfEachKey()
                                                : options.from;
  job.subscriber.ack_mode = options.ack;
  job.subscriber.ack_deadline = options.ack_deadline;
  job.subscriber.config = options.config;
  job.count = options.count;
  job.until_idle = options.until_idle;
  if (options.drain) job.until_idle = absl::Seconds(1);
  return job;
}

int RunSub(const Context& context, const SubOptions& options) {
  if (const std::string wrong = WhatIsWrong(options, context); !wrong.empty()) {
    return FailUsage(context, wrong);
  }
  Interrupt interrupt;
  const Client client(context.MakeClientOptions("sub"));
  if (const absl::Status reachable = CheckServing(client, context); !reachable.ok()) {
    return Fail(context, absl::StrCat("cannot reach ", context.server), reachable);
  }
  ConsumeJob job(client, interrupt, Writer(options, context), JobOptions(options));
  const ConsumeJob::Result result = job.Run();
  if (!result.status.ok()) {
    const std::string& what = options.topic.empty() ? options.subscription : options.topic;
    return Fail(context, absl::StrCat("cannot consume '", what, "'"), result.status);
  }
  if (interrupt.interrupted() && options.count && !result.count_reached) return kExitInterrupted;
  return kExitOk;
}

}  // namespace

void AddSub(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("sub", "Consume messages and print them");
  command->footer(kHelp);
  auto options = std::make_shared<SubOptions>();
  command
      ->add_option("topic", options->topic,
                   "Which topic (created if it does not exist), or a pattern of topics")
      ->type_name("TOPIC");
  command
      ->add_option("-s,--subscription", options->subscription,
                   "Consume through this named subscription")
      ->type_name("NAME");
  AddCount(*command, "-n,--count", options->count, "Take exactly this many, then end");
  CLI::Option* follow =
      command->add_flag("--follow", options->follow, "Go on until Ctrl-C (the default)");
  CLI::Option* until_idle = AddDuration(*command, "--until-idle", options->until_idle,
                                        "End when nothing has come for that long");
  CLI::Option* drain =
      command->add_flag("--drain", options->drain, "Take what is there and end: --until-idle 1s");
  follow->excludes(until_idle)->excludes(drain);
  until_idle->excludes(drain);
  CLI::Option* from = AddStartFrom(
      *command, "--from,--from-time", options->from,
      "earliest (default), latest, a sequence, a time (RFC 3339) or '10m ago'; an existing "
      "subscription goes on where it was");
  command
      ->add_flag(
          "--last{topic}", options->last,
          "Begin with the last message that is still kept, or with --last=key the last one of "
          "each ordering key")
      ->excludes(from);
  AddChoice<AckMode>(*command, "--ack", options->ack,
                     {{"auto", AckMode::kAuto}, {"explicit", AckMode::kExplicit}},
                     "explicit (default): when written; auto: when sent");
  AddDuration(*command, "--ack-deadline", options->ack_deadline,
              "What is not acked by then goes to others (100ms-10m; default: the subscription's)");
  AddSubscriptionPolicies(*command, options->config);
  CLI::Option* raw = command->add_flag("--raw", options->raw, "Payload and newline");
  CLI::Option* pretty =
      command->add_flag("--pretty", options->pretty, "Sequence, time, key, attributes, payload");
  CLI::Option* no_newline =
      command->add_flag("--no-newline", options->no_newline, "Payloads only, nothing between them");
  CLI::Option* null = command->add_flag("-0,--null", options->null, "Payload and a NUL byte");
  pretty->excludes(raw)->excludes(null)->excludes(no_newline);
  null->excludes(no_newline);
  command->callback([&context, options] {
    context.run = [&context, options] { return RunSub(context, *options); };
  });
}

}  // namespace estiba::cli
