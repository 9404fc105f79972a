// tests/schema/messages.h — every message of the interfaces under test. A new interface is a line.
#pragma once
#include "schema/file.capnp.h"
#include "schema/process.capnp.h"
#include "schema/timer.capnp.h"
#include "tests/schema/everything.capnp.h"
#include "tests/schema/oracle.h"

namespace oracle {

/// Calls `visit.template operator()<T>(schema)` for each.
template <class Visit>
void for_each_message_under_test(Schemas& schemas, Visit&& visit) {
  const auto file = schemas.file("schema/file.capnp");
  for_each_message<schema::file::Service>(file, visit);
  for_each_message<schema::file::Directory>(file, visit);
  for_each_message<schema::file::File>(file, visit);
  visit.template operator()<schema::file::Failure>(file.getNested("Failure").asStruct());
  for_each_message<schema::process::Process>(schemas.file("schema/process.capnp"), visit);
  for_each_message<schema::timer::Timer>(schemas.file("schema/timer.capnp"), visit);

  const auto everything = schemas.file("tests/schema/everything.capnp");
  for_each_message<schema::everything::Target>(everything, visit);
  visit.template operator()<schema::everything::Defaults>(everything.getNested("Defaults").asStruct());
  visit.template operator()<schema::everything::Lists>(everything.getNested("Lists").asStruct());
  visit.template operator()<schema::everything::Tree>(everything.getNested("Tree").asStruct());
  visit.template operator()<schema::everything::NewerList>(everything.getNested("NewerList").asStruct());
}

}  // namespace oracle
