// estiba pub: publishes arguments, lines, files or JSON lines.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/input.h"
#include "client/cli/literal_argument.h"
#include "client/cli/message_json.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "client/cli/publish_job.h"
#include "client/cli/terminal.h"
#include "client/cli/units.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Examples:
  estiba pub orders 'first order' 'second order'     one message for each argument
  tail -F /var/log/syslog | estiba pub logs          one message for each line, as it comes
  estiba pub logs --file a.log --file b.log          the lines of two files
  estiba pub images --whole --file cat.jpg           one file, one message
  find . -print0 | estiba pub files --null           records that end with a NUL byte
  estiba pub orders --key anna --attribute kind=new 'an order'
  estiba sub a --drain --json | estiba pub b --json-lines    copy a topic
  estiba pub orders --dedup-id order-4711 'an order'    once, however often this is repeated
  estiba pub reminders --delay 1h --ttl 10m 'stand up'    published in an hour, of use for ten minutes
  estiba pub load --file x.log --repeat 10 --rate 50k/s

A line is bytes without its newline: an empty line is an empty message, and the last line needs no
newline. JSON lines look like this; everything is optional:
  {"data": "text", "attributes": {"kind": "new"}, "ordering_key": "anna"}
  {"data_base64": "AAECAw==", "deliver_after_ms": 5000, "time_to_live_ms": 60000}

A message that begins with a dash goes after `--`:  estiba pub orders -- -5
Publishing stops at the first message that is refused; those before it are published.)";

struct PubOptions {
  std::string topic;
  std::vector<std::string> messages;
  std::vector<std::string> files;
  bool null = false;
  bool whole = false;
  bool json_lines = false;
  std::vector<std::string> attributes;
  std::string key;
  MessageTiming timing;
  DedupId dedup;
  std::optional<double> rate;
  uint64_t repeat = 1;
  std::optional<uint64_t> batch_count;
  uint64_t batch_bytes = 0;
  absl::Duration linger = absl::ZeroDuration();
  std::optional<absl::Duration> retry;
  bool progress = false;
  bool quiet = false;
};

// Empty where the options fit together.
std::string WhatIsWrong(const PubOptions& options) {
  if (!options.messages.empty() && !options.files.empty()) {
    return "give messages or --file, not both";
  }
  if (options.messages.empty() && options.files.empty() && IsTerminal(STDIN_FILENO)) {
    return "nothing to publish: give messages, --file FILE, or pipe lines in";
  }
  if (options.repeat > 1 && options.messages.empty() &&
      (options.files.empty() ||
       std::find(options.files.begin(), options.files.end(), "-") != options.files.end())) {
    return "--repeat needs messages or files: standard input can be read only once";
  }
  for (const std::string& attribute : options.attributes) {
    if (attribute.find('=') == std::string::npos || attribute.front() == '=') {
      return absl::StrCat("--attribute '", attribute, "' is not of the form key=value");
    }
  }
  if (options.dedup.id.empty())
    return options.dedup.producer.empty() ? "" : "--producer needs --dedup-id";
  if (options.messages.empty() || options.repeat > 1 || options.rate) {
    return "--dedup-id publishes the messages of the command line, once, as one batch";
  }
  return "";
}

PublishJob::Options JobOptions(const PubOptions& options, const Context& context) {
  PublishJob::Options job;
  job.topic = options.topic;
  if (options.batch_count) job.publisher.max_batch_messages = *options.batch_count;
  if (options.batch_bytes > 0) job.publisher.max_batch_bytes = options.batch_bytes;
  job.publisher.linger = options.linger;
  job.publisher.retry_timeout = options.retry.value_or(context.timeout);
  job.rate = options.rate;
  job.progress = options.progress || (!options.quiet && IsTerminal(STDERR_FILENO));
  for (const std::string& attribute : options.attributes) {
    const size_t equals = attribute.find('=');
    job.attributes.emplace_back(attribute.substr(0, equals), attribute.substr(equals + 1));
  }
  job.ordering_key = options.key;
  job.timing = options.timing;
  return job;
}

// Publishes one record after another: lines as they are, or JSON.
absl::Status PostRecords(PublishJob& job, bool json_lines, const std::string& source,
                         absl::Span<const std::string_view> records, uint64_t number) {
  if (!json_lines) return job.Post(records);
  for (const std::string_view record : records) {
    const absl::StatusOr<Message> message = ParseMessageJson(record);
    if (absl::IsNotFound(message.status())) {
      Warn(absl::StrCat(source, ":", number, ": passed over: ", message.status().message()));
    } else if (!message.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(source, ":", number, ": ", message.status().message()));
    } else if (absl::Status posted = job.Post(*message); !posted.ok()) {
      return posted;
    }
    ++number;
  }
  return absl::OkStatus();
}

absl::Status PostEverything(const PubOptions& options, const Interrupt& interrupt,
                            PublishJob& job) {
  if (!options.messages.empty()) {
    const std::vector<std::string_view> views(options.messages.begin(), options.messages.end());
    return PostRecords(job, options.json_lines, "argument", views, 1);
  }
  const InputFormat format = {options.null ? '\0' : '\n', options.whole};
  const std::vector<std::string> files =
      options.files.empty() ? std::vector<std::string>{"-"} : options.files;
  for (const std::string& file : files) {
    const std::string name = file == "-" ? "standard input" : file;
    absl::Status refused;
    const absl::Status read = ReadRecords(
        file, format, interrupt, [&](absl::Span<const std::string_view> records, uint64_t first) {
          refused = PostRecords(job, options.json_lines, name, records, first);
          return refused;
        });
    if (!refused.ok()) return refused;
    if (absl::IsCancelled(read)) return read;
    if (!read.ok()) return absl::Status(read.code(), absl::StrCat(name, ": ", read.message()));
  }
  return absl::OkStatus();
}

void Report(const PubOptions& options, const Context& context, const PublishJob& job) {
  const PublishSummary summary = job.summary();
  if (context.json) {
    nlohmann::ordered_json json = {
        {"topic", options.topic},         {"messages", summary.messages},
        {"bytes", summary.bytes},         {"failed", summary.failed},
        {"scheduled", summary.scheduled}, {"seconds", absl::ToDoubleSeconds(job.elapsed())}};
    if (summary.first_sequence > 0) {
      json["first_sequence"] = summary.first_sequence;
      json["last_sequence"] = summary.last_sequence;
    }
    PrintJson(json);
    return;
  }
  if (options.quiet) return;
  const char* const noun = summary.messages == 1 ? " message" : " messages";
  std::string text = absl::StrCat("published ", HumanCount(summary.messages), noun);
  // The bytes are those handed over, which with failures is more.
  if (summary.failed == 0) absl::StrAppend(&text, ", ", HumanCount(summary.bytes), " bytes");
  absl::StrAppend(&text, ", in ", HumanDuration(job.elapsed()));
  if (summary.first_sequence > 0) {
    absl::StrAppend(&text, ", sequences ", summary.first_sequence, "..", summary.last_sequence);
  }
  if (summary.scheduled > 0) {
    absl::StrAppend(&text, "; scheduled for later: ", HumanCount(summary.scheduled));
  }
  if (summary.failed > 0) absl::StrAppend(&text, "; failed: ", HumanCount(summary.failed));
  WriteFully(STDERR_FILENO, text + "\n").IgnoreError();
}

// All messages in one batch, which is stored once although the command may run twice.
int RunPubOnce(const Context& context, const PubOptions& options) {
  const PublishJob::Options job = JobOptions(options, context);
  std::vector<Message> messages;
  for (const std::string& text : options.messages) {
    Message message{.data = text};
    if (options.json_lines) {
      absl::StatusOr<Message> parsed = ParseMessageJson(text);
      if (!parsed.ok()) return Fail(context, "argument", parsed.status());
      message = *std::move(parsed);
    }
    messages.push_back(WithDefaults(std::move(message), job));
  }
  const Client client(context.MakeClientOptions("pub"));
  Admin admin(client, context.timeout);
  const absl::StatusOr<PublishedBatch> batch =
      admin.PublishOnce(options.topic, messages, options.dedup);
  if (!batch.ok()) {
    return Fail(context, absl::StrCat("cannot publish to '", options.topic, "'"), batch.status());
  }
  const uint64_t last = batch->count == 0 ? 0 : batch->first_sequence + batch->count - 1;
  if (context.json) {
    nlohmann::ordered_json json = {{"topic", options.topic},
                                   {"messages", messages.size()},
                                   {"duplicate", batch->duplicate},
                                   {"scheduled", batch->scheduled}};
    if (batch->count > 0) {
      json["first_sequence"] = batch->first_sequence;
      json["last_sequence"] = last;
    }
    PrintJson(json);
  } else if (!options.quiet) {
    std::string text = batch->duplicate ? "was published before" : "published";
    if (batch->count > 0) absl::StrAppend(&text, ", sequences ", batch->first_sequence, "..", last);
    if (batch->scheduled > 0) absl::StrAppend(&text, "; scheduled for later: ", batch->scheduled);
    WriteFully(STDERR_FILENO, text + "\n").IgnoreError();
  }
  return kExitOk;
}

int RunPub(const Context& context, const PubOptions& options) {
  if (const std::string wrong = WhatIsWrong(options); !wrong.empty()) {
    return FailUsage(context, wrong);
  }
  if (!options.dedup.id.empty()) return RunPubOnce(context, options);
  Interrupt interrupt;
  const Client client(context.MakeClientOptions("pub"));
  if (const absl::Status reachable = CheckServing(client, context); !reachable.ok()) {
    return Fail(context, absl::StrCat("cannot reach ", context.server), reachable);
  }
  PublishJob job(client, interrupt, JobOptions(options, context));
  absl::Status posted;
  for (uint64_t round = 0; round < options.repeat && posted.ok(); ++round) {
    posted = PostEverything(options, interrupt, job);
  }
  const absl::Status finished = job.Finish();
  Report(options, context, job);
  if (!finished.ok()) {
    return Fail(context, absl::StrCat("cannot publish to '", options.topic, "'"), finished);
  }
  if (interrupt.interrupted()) return kExitInterrupted;
  if (!posted.ok()) return Fail(context, "stopped", posted);
  return kExitOk;
}

}  // namespace

void AddPub(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("pub", "Publish messages: arguments, lines, files, JSON");
  command->footer(kHelp);
  auto options = std::make_shared<PubOptions>();
  command->add_option("topic", options->topic, "Where to; created if it does not exist")
      ->required()
      ->type_name("TOPIC");
  command->add_option("message", options->messages, "One message each; none: lines of stdin")
      ->type_name("MESSAGE");
  command->add_option("-f,--file", options->files, "Publish the lines of this file ('-': stdin)")
      ->type_name("FILE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* null = command->add_flag("-0,--null", options->null, "Records end with NUL");
  CLI::Option* whole =
      command->add_flag("--whole", options->whole, "One message for each file as a whole");
  CLI::Option* json_lines = command->add_flag("--json-lines", options->json_lines,
                                              "Records are JSON: data, attributes, ordering_key");
  whole->excludes(null)->excludes(json_lines);
  command->add_option("-a,--attribute", options->attributes, "Add to every message; repeatable")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("-k,--key", options->key, "Ordering key of every message")->type_name("KEY");
  CLI::Option* delay = AddDuration(*command, "--delay", options->timing.deliver_after,
                                   "The broker publishes it so long after taking it: up to 366d");
  AddTime(*command, "--at", options->timing.deliver_at,
          "... or at this time (2026-01-31T12:00:00Z)")
      ->excludes(delay);
  AddDuration(*command, "--ttl", options->timing.time_to_live,
              "Not delivered any more so long after that: up to 366d; default: never too late");
  command
      ->add_option("--dedup-id", options->dedup.id,
                   "One batch that is stored once: sent again with this id in the topic's "
                   "dedup window (2m), it is answered as the first time")
      ->type_name("ID");
  command
      ->add_option("--producer", options->dedup.producer, "Whose id that is (default: anybody's)")
      ->type_name("NAME");
  AddRate(*command, "-r,--rate", options->rate, "Publish no faster than this");
  AddCount(*command, "--repeat", options->repeat, "Publish the whole input N times");
  AddCount(*command, "--batch-count", options->batch_count, "Most messages in a batch (10,000)");
  AddBytes(*command, "--batch-bytes", options->batch_bytes, "A batch is full at this size (64KiB)");
  AddDuration(*command, "--linger", options->linger,
              "Wait this long for a batch to fill; 0: send when the line is free");
  AddDuration(*command, "--retry", options->retry,
              "Keep trying this long while the broker is away or full (default: --timeout)");
  command->add_flag("--progress", options->progress, "Tell progress also without a terminal");
  command->add_flag("-q,--quiet", options->quiet, "No summary");
  command->callback([&context, options] {
    for (std::string* text : {&options->topic, &options->key}) Unmark(*text);
    for (auto* texts : {&options->messages, &options->files, &options->attributes}) Unmark(*texts);
    context.run = [&context, options] { return RunPub(context, *options); };
  });
}

}  // namespace estiba::cli
