// tools/capnpc-orrery/main.cpp — `capnp compile -ocapnpc-orrery:DIR file.capnp` writes DIR/file.capnp.h and .cpp.
// ORRERY_SCHEMA_ROOT names the folder the schema's path is relative to; with it, messages have line numbers.
#include <capnp/serialize.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "generator.h"

using namespace capnpc_orrery;

static void write_file(const std::string& path, const std::string& content) {
  if (const auto parent = std::filesystem::path(path).parent_path(); !parent.empty()) {
    std::filesystem::create_directories(parent);
  }
  std::ofstream out(path, std::ios::binary);
  out << content;
  out.close();
  if (!out) throw SchemaError(path + ": cannot be written");
}

int main() {
  try {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = UINT64_C(1) << 30;  // our own compiler's output
    capnp::StreamFdMessageReader message(STDIN_FILENO, options);
    const auto request = message.getRoot<capnp::schema::CodeGeneratorRequest>();
    const char* root = std::getenv("ORRERY_SCHEMA_ROOT");
    Model model(request, root == nullptr ? "" : root);
    for (const auto file : request.getRequestedFiles()) {
      const std::string path = model.node(file.getId()).getDisplayName();
      const Output output = generate(model, file.getId());
      write_file(path + ".h", output.header);
      write_file(path + ".cpp", output.source);
    }
    return 0;
  } catch (const SchemaError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  } catch (const kj::Exception& error) {
    std::fprintf(stderr, "capnpc-orrery: %s\n", error.getDescription().cStr());
    return 1;
  }
}
