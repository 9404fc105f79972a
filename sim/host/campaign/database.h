// sim/host/campaign/database.h — SQLite with errors as exceptions: a campaign that cannot keep its results ends.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/types.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sim::host::campaign {

struct DatabaseError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Database {
 public:
  enum class Open : u8 { Existing, OrNew };
  /// `:memory:` is one that vanishes. Throws DatabaseError with the path.
  Database(const std::string& path, Open how);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void execute(const std::string& statements);
  u64 changes() const;  // rows of the last statement
  const std::string& path() const { return path_; }
  sqlite3* handle() { return handle_; }
  [[noreturn]] void fail(const std::string& what);

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

/// A prepared statement; parameters are bound in order, columns read in order.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(u64 value);
  Statement& bind_signed(i64 value);
  Statement& bind(std::string_view text);
  Statement& bind_null();
  template <class... Values>
  Statement& bind_all(const Values&... values) {
    reset();
    (bind(values), ...);
    return *this;
  }
  /// True when there is a row; false at the end.
  bool step();
  void run();  // step to the end
  void reset();

  u64 number(int column) const;
  i64 signed_number(int column) const;
  std::string text(int column) const;

 private:
  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
};

}  // namespace sim::host::campaign
