// base/result.h — a value or an error. Errors are small structs: a code plus numbers that say what and where; the
// text is made at the edge. Each layer has one error type and an alias `Result<T> = base::Result<T, Error>`.
#pragma once
#include <new>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace base {

/// The error half on its way up; what `TRY` returns. Converts to any Result with the same error type.
template <class E>
struct Failure {
  E error;
};

template <class T, class E>
class [[nodiscard]] Result {
  static_assert(std::is_trivially_copyable_v<E>, "errors are codes and numbers, never owners");

 public:
  using Value = T;
  using ErrorType = E;

  template <class U = T>
    requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, Result>)
  Result(U&& value) : ok_(true) {  // NOLINT: implicit on purpose, `return value;`
    new (&value_) T(std::forward<U>(value));
  }
  Result(Failure<E> failure) : ok_(false), error_(failure.error) {}
  Result(E error) requires(!std::is_convertible_v<E, T>) : ok_(false), error_(error) {}
  Result(Result&& other) noexcept : ok_(other.ok_) {
    if (ok_) {
      new (&value_) T(std::move(other.value_));
    } else {
      error_ = other.error_;
    }
  }
  Result(const Result& other) : ok_(other.ok_) {
    if (ok_) {
      new (&value_) T(other.value_);
    } else {
      error_ = other.error_;
    }
  }
  Result& operator=(const Result&) = delete;
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      this->~Result();
      new (this) Result(std::move(other));
    }
    return *this;
  }
  ~Result() {
    if (ok_) value_.~T();
  }

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const T& value() const {
    ASSERT(ok_);
    return value_;
  }
  T& value() {
    ASSERT(ok_);
    return value_;
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  E error() const {
    ASSERT(!ok_);
    return error_;
  }
  T value_or(T fallback) const { return ok_ ? value_ : std::move(fallback); }

  T take() && {
    ASSERT(ok_);
    return std::move(value_);
  }
  Failure<E> take_failure() const {
    ASSERT(!ok_);
    return {error_};
  }

 private:
  bool ok_;
  union {
    T value_;
    E error_;
  };
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  using Value = void;
  using ErrorType = E;

  Result() : ok_(true) {}
  Result(E error) : ok_(false), error_(error) {}
  Result(Failure<E> failure) : ok_(false), error_(failure.error) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  E error() const {
    ASSERT(!ok_);
    return error_;
  }
  void take() && { ASSERT(ok_); }
  Failure<E> take_failure() const {
    ASSERT(!ok_);
    return {error_};
  }

 private:
  bool ok_;
  E error_{};
};

}  // namespace base

/// The value of `expr`, or return its error from this function. One TRY per statement.
#define TRY(expr)                                           \
  ({                                                        \
    auto try_result = (expr);                               \
    if (!try_result.ok()) return try_result.take_failure(); \
    std::move(try_result).take();                           \
  })

/// The value of `expr`; a failure here would be our own mistake.
#define MUST(expr)                 \
  ({                               \
    auto must_result = (expr);     \
    ASSERT(must_result.ok());      \
    std::move(must_result).take(); \
  })
