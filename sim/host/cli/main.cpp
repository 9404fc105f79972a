// sim/host/cli/main.cpp — the `orrery` executable: the command with the programs of user/ inside.
#include "sim/host/cli/cli.h"
#include "user/image.h"
#include "user/native.h"

int main(int argc, char** argv) {
  const sim::host::cli::Guest guest{user::native_entries(), std::string(base::text_of(user::boot_image()))};
  return sim::host::cli::command(guest, argc, argv);
}
