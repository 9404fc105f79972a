// sim/host/campaign/database.cpp — see database.h. Seeds are u64 and SQLite's integers are i64: the bits are kept.
#include "sim/host/campaign/database.h"

#include <sqlite3.h>

namespace sim::host::campaign {
namespace {

constexpr int kBusyMs = 10'000;  // another process reports from the file

}  // namespace

Database::Database(const std::string& path, Open how) : path_(path) {
  const int flags = SQLITE_OPEN_READWRITE | (how == Open::OrNew ? SQLITE_OPEN_CREATE : 0);
  if (sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
    const std::string why = sqlite3_errmsg(handle_);
    sqlite3_close(handle_);
    throw DatabaseError(path + ": " + why);
  }
  sqlite3_busy_timeout(handle_, kBusyMs);
}

Database::~Database() { sqlite3_close(handle_); }

void Database::fail(const std::string& what) { throw DatabaseError(path_ + ": " + what); }

void Database::execute(const std::string& statements) {
  char* error = nullptr;
  if (sqlite3_exec(handle_, statements.c_str(), nullptr, nullptr, &error) == SQLITE_OK) return;
  const std::string why = error != nullptr ? error : "unknown error";
  sqlite3_free(error);
  fail(why);
}

u64 Database::changes() const { return static_cast<u64>(sqlite3_changes64(handle_)); }

Statement::Statement(Database& database, const std::string& sql) : database_(database) {
  if (sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK) {
    database.fail(sqlite3_errmsg(database.handle()));
  }
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind_signed(i64 value) {
  sqlite3_bind_int64(statement_, next_++, value);
  return *this;
}

Statement& Statement::bind(u64 value) { return bind_signed(static_cast<i64>(value)); }

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text64(statement_, next_++, text.data() != nullptr ? text.data() : "", text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(statement_, next_++);
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) database_.fail(sqlite3_errmsg(database_.handle()));
  return false;
}

void Statement::run() {
  while (step()) continue;
  reset();
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  next_ = 1;
}

i64 Statement::signed_number(int column) const { return sqlite3_column_int64(statement_, column); }
u64 Statement::number(int column) const { return static_cast<u64>(signed_number(column)); }

std::string Statement::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<u64>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace sim::host::campaign
