// tests/sessions/hostile_test.cpp — consoles that send what no person would, and persons who press Ctrl-C, Ctrl-D, Ctrl-Z
// and Ctrl-\ at every moment: the shell goes on or ends with the right status, the machine is never harmed.
#include <catch2/catch.hpp>

#include <string>

#include "base/prng.h"
#include "session.h"

namespace {

using session::Ended;
using session::run_script;
using session::Terminal;
using namespace std::string_literals;

/// The shell read its script to the end and the node ended with `status`.
void check_ended(const Ended& ended, u32 status) {
  CAPTURE(ended.output);
  CHECK(ended.outcome == sim::Outcome::Ended);
  CHECK(ended.status == status);
  CHECK_FALSE(ended.tainted);
}

bool shows(const Terminal& terminal, std::string_view wanted) {
  for (const std::string& line : terminal.screen()) {
    if (line == wanted) return true;
  }
  return false;
}

std::string text_of(const Terminal& terminal) {
  std::string text;
  for (const std::string& line : terminal.screen()) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("a line of a mebibyte is one line", "[user][session][hostile]") {
  const std::string line(1 << 20, 'x');
  const Ended ended = run_script("x=" + line + "\necho ${#x}\necho after\nexit 3\n");
  check_ended(ended, 3);
  CHECK(ended.output == "1048576\nafter\n");
}

TEST_CASE("a mebibyte without any line end is one command, not found", "[user][session][hostile]") {
  const Ended ended = run_script(std::string(1 << 20, 'y'));
  check_ended(ended, 127);
}

TEST_CASE("a word of a script may be any bytes but NUL", "[user][session][hostile]") {
  std::string bytes;
  for (int c = 0x80; c <= 0xFF; ++c) bytes += static_cast<char>(c);
  const Ended ended = run_script("echo '" + bytes + "' | wc -c; echo '" + bytes + "'\n");
  check_ended(ended, 0);
  CHECK(ended.output == "129\n" + bytes + "\n");
}

TEST_CASE("NUL bytes in a script do not stop it", "[user][session][hostile]") {
  const Ended ended = run_script("echo a\0b; echo 'c\0d'\n\0\0\necho after\n"s);
  CAPTURE(ended.output);
  CHECK(ended.outcome == sim::Outcome::Ended);
  CHECK_FALSE(ended.tainted);
  CHECK(ended.output.ends_with("after\n"));
}

TEST_CASE("a script that ends inside a construct ends with status 2 and says what is missing",
          "[user][session][hostile]") {
  for (const char* script : {"if true; then echo x\n", "if true\n", "while false; do", "for i in 1 2",
                             "case x in a) echo", "echo 'open", "echo \"open", "echo $(echo", "echo `echo", "{ echo",
                             "( echo", "f() {", "echo ${x", "echo $((1+", "true &&", "false ||", "echo |"}) {
    CAPTURE(script);
    const Ended ended = run_script("echo before\n"s + script);
    check_ended(ended, 2);
    CHECK(ended.output.starts_with("before\nfsh: -:"));
    CHECK(ended.output.find("syntax error") != std::string::npos);
    CHECK(ended.output.find("\nx\n") == std::string::npos);
  }
}

TEST_CASE("words thrown together at random leave a shell that ended by itself", "[user][session][hostile][property]") {
  constexpr const char* kWords[] = {
      "if",  "then",  "fi",     "for",   "in",    "done",   "do",   "case", "esac", "{",    "}",
      "(",   ")",     ";",      "\n",    "&",     "|",      "&&",   "||",   "<",    ">",    ">>",
      "<<E", "\nE\n", "2>&1",   "'",     "\"",    "`",      "$(",   "${x",  "$((",  "))",   "\\",
      "x=1", "$x",    "$@",     "*",     "[a-",   "~",      "#",    "!",    "echo", "true", "false",
      "set", "cd",    "/tmp/q", "9<&0",  "f()",   "return", "exit", "eval", "trap", "\xFF", "$'\\x",
      "cat", "exec",  "shift",  "local", "unset", "alias",  "wait", "jobs", "fg",   "kill", "%1"};
  for (u64 seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.shell-words"};
    std::string script;
    for (u32 i = 0; i < 60; ++i) {
      script += kWords[prng.below(std::size(kWords))];
      if (prng.below(4) != 0) script += ' ';
    }
    CAPTURE(script);
    const Ended ended = run_script(script, 1);
    CHECK(ended.outcome == sim::Outcome::Ended);
    CHECK(ended.status <= 255);
    CHECK_FALSE(ended.tainted);
  }
}

TEST_CASE("random bytes leave a shell that ended by itself", "[user][session][hostile][property]") {
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.shell-bytes"};
    std::string script;
    for (u32 i = 0; i < 2000; ++i) script += static_cast<char>(prng.below(i % 7 == 0 ? 256 : 128));
    const Ended ended = run_script(script, 1);
    CHECK(ended.outcome == sim::Outcome::Ended);
    CHECK(ended.status <= 255);
    CHECK_FALSE(ended.tainted);
  }
}

TEST_CASE("after Ctrl-C while a command reads, waits or is typed the prompt is there", "[user][session][hostile]") {
  for (const char* before :
       {"", "echo half a line", "if true<Enter>", "echo 'open<Enter>", "cat <<E<Enter>text<Enter>", "sleep 1000<Enter>",
        "cat<Enter>", "cat<Enter>half", "cat | cat | wc<Enter>", "read x<Enter>", "read x<Enter>half",
        "yes > /dev/null<Enter>", "sleep 1000 &<Enter>", "echo $(sleep 1000)<Enter>", "(sleep 1000)<Enter>",
        "wait<Enter>", "<C-r>ec", "sleep 1000 & wait<Enter>", "sh<Enter>"}) {
    CAPTURE(before);
    Terminal terminal;
    terminal.keys(before);
    terminal.keys("<C-c>echo still $((40+2)) here<Enter>");
    CAPTURE(text_of(terminal));
    CHECK_FALSE(terminal.ended());
    CHECK_FALSE(terminal.tainted());
    CHECK(shows(terminal, "still 42 here"));
  }
}

TEST_CASE("Ctrl-C gives up a whole line of loops, lists and conditions, in every state", "[user][session][hostile]") {
  for (const char* before : {"while :; do :; done",
                             "until false; do :; done",
                             "while true; do sleep 1; done",
                             "while /bin/true; do :; done",
                             "while sleep 1000; do :; done",
                             "for i in 1 2 3; do sleep 1000; done",
                             "for i in 1 2 3; do cat; done",
                             "while :; do x=$(sleep 1000); done",
                             "while :; do x=$(/bin/true); done",
                             "while :; do echo x; done > /dev/null",
                             "while :; do echo x; done | cat > /dev/null",
                             "while read x; do echo $x; done",
                             "while :; do read x; done",
                             "(while :; do :; done)",
                             "(while :; do sleep 1; done)",
                             "{ while :; do sleep 1; done; }",
                             "f() { while :; do sleep 1; done; }; f",
                             "f() { while :; do :; done; }; f",
                             "eval 'while :; do :; done'",
                             "echo 'while :; do :; done' > /tmp/l; . /tmp/l",
                             "echo 'while :; do sleep 1; done' > /tmp/l; sh /tmp/l",
                             "sh -c 'while :; do :; done'",
                             "sh -c 'while :; do sleep 1; done'",
                             "while :; do sh -c 'sleep 1000'; done",
                             "sleep 1000 & while :; do wait; done",
                             "sleep 1000 & while :; do wait $!; done",
                             "while :; do while :; do sleep 1; done; done",
                             "for i in 1 2; do while :; do :; done; done",
                             "if sleep 1000; then echo wrong; else echo wrong; fi",
                             "sleep 1000; echo wrong",
                             "sleep 1000 || echo wrong",
                             "! sleep 1000; echo wrong",
                             "sleep 1000 | cat; echo wrong",
                             "case $(sleep 1000) in *) echo wrong;; esac",
                             "time sleep 1000; echo wrong",
                             "while :; do :; done; echo wrong",
                             "yes | while read x; do :; done; echo wrong",
                             "while :; do /bin/echo x; done > /dev/null",
                             "while :; do true | true; done",
                             "while :; do (exit 1); done",
                             "while :; do : & done",
                             "x=$(while :; do :; done); echo wrong",
                             "cat <(:); while :; do nosuch; done 2> /dev/null"}) {
    CAPTURE(before);
    Terminal terminal;
    terminal.keys(before);
    terminal.keys("<Enter><C-c>");
    terminal.wait(300'000'000);
    terminal.keys("echo still $((40+2)) here $?<Enter>");
    CAPTURE(text_of(terminal));
    CHECK_FALSE(terminal.ended());
    CHECK_FALSE(terminal.tainted());
    CHECK(shows(terminal, "still 42 here 130"));
    CHECK_FALSE(shows(terminal, "wrong"));
  }
}

TEST_CASE("Ctrl-D ends what reads; at an empty prompt it ends the shell with the last status",
          "[user][session][hostile]") {
  for (const char* before :
       {"echo half a line", "cat<Enter>", "cat | cat | wc<Enter>", "read x<Enter>", "if true<Enter>",
        "echo 'open<Enter>", "cat <<E<Enter>text<Enter>", "sh<Enter>", "(cat)<Enter>"}) {
    CAPTURE(before);
    Terminal terminal;
    terminal.keys(before);
    terminal.keys("<C-d><Enter>echo still $((40+2)) here<Enter>");
    CAPTURE(text_of(terminal));
    CHECK_FALSE(terminal.ended());
    // A line that was half typed was run by the Enter.
    CHECK(shows(terminal, "still 42 here"));
  }
  for (const u32 status : {0u, 1u, 7u}) {
    CAPTURE(status);
    Terminal terminal;
    terminal.keys("(exit " + std::to_string(status) + ")<Enter><C-d>");
    terminal.wait(1'000'000'000);
    CHECK(terminal.ended());
    CHECK(terminal.status() == status);
  }
}

TEST_CASE("a command stopped by Ctrl-Z takes nothing that is typed afterwards", "[user][session][hostile]") {
  for (const char* before : {"cat<Enter>", "cat<Enter>some<Enter>", "cat | cat<Enter>", "sleep 1000<Enter>",
                             "(cat)<Enter>", "sh -c 'cat; echo x'<Enter>"}) {
    CAPTURE(before);
    Terminal terminal;
    terminal.keys(before);
    terminal.keys("<C-z>echo still $((40+2)) here<Enter>jobs | wc -l<Enter>kill -KILL %1<Enter>echo $((1+1))nd<Enter>");
    CAPTURE(text_of(terminal));
    CHECK_FALSE(terminal.ended());
    CHECK(shows(terminal, "still 42 here"));
    CHECK(shows(terminal, "2nd"));
  }
}

TEST_CASE("Ctrl-\\ ends a command and not the shell", "[user][session][hostile]") {
  for (const char* before : {"", "sleep 1000<Enter>", "cat<Enter>", "if true<Enter>"}) {
    CAPTURE(before);
    Terminal terminal;
    terminal.keys(before);
    terminal.type("\x1C");
    terminal.wait(500'000'000);
    terminal.keys("<C-c>echo still $((40+2)) here<Enter>");
    CAPTURE(text_of(terminal));
    CHECK_FALSE(terminal.ended());
    CHECK(shows(terminal, "still 42 here"));
  }
}

TEST_CASE("a terminal that goes away ends the node, whatever runs", "[user][session][hostile]") {
  for (const char* before : {"", "half", "if true<Enter>", "sleep 1000<Enter>", "cat<Enter>", "cat<Enter><C-z>",
                             "read x<Enter>", "sleep 1000 &<Enter>"}) {
    CAPTURE(before);
    Terminal terminal;
    terminal.keys(before);
    terminal.hang_up();
    terminal.wait(10'000'000'000);
    CAPTURE(text_of(terminal));
    CHECK(terminal.ended());
    CHECK_FALSE(terminal.tainted());
  }
}
