/* SPDX-License-Identifier: MIT */
/* example.length: refuse events whose text is too long.
 *
 * A step in C++.  No exception leaves it: what may throw is within open(). */
#include <cerrno>
#include <memory>
#include <new>
#include <string>

#include <ingestlayer/plugin.h>

namespace
{

/* What the host made is given back to it. */
struct FieldFree {
    const il_host *host;
    void
    operator()(il_field *field) const
    {
        il_field_free(host, field);
    }
};

class Length
{
  public:
    Length(const il_host *host, const il_conf *conf)
        : host_(host), field_(nullptr, FieldFree{ host }),
          max_(static_cast<size_t>(il_conf_int(conf, "max"))),
          message_("the text has more than " + std::to_string(max_) + " bytes")
    {
    }

    int
    resolve(const il_conf *conf)
    {
        il_field *field = nullptr;
        int err = il_field_from(host_, conf, "field", &field);
        field_.reset(field);
        return err;
    }

    void
    look(il_batch *batch) const
    {
        for (uint32_t i = 0; i < il_batch_count(batch); i++) {
            size_t len = 0;
            if (!il_live(batch, i) || !il_get_str(batch, i, field_.get(), &len)
                || len <= max_)
                continue;
            il_reason why = {};
            why.struct_size = sizeof why;
            why.code = "too_long";
            why.message = message_.c_str();
            il_reject(batch, i, &why);
        }
    }

  private:
    const il_host *host_;
    std::unique_ptr<il_field, FieldFree> field_;
    size_t max_;
    std::string message_;
};

int
open(const il_host *host, const il_conf *conf, void **self)
{
    try {
        std::unique_ptr<Length> length(new Length(host, conf));
        int err = length->resolve(conf);
        if (!err)
            *self = length.release();
        return err;
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    }
}

int
process(void *self, il_batch *batch)
{
    static_cast<const Length *>(self)->look(batch);
    return 0;
}

void
close(void *self)
{
    delete static_cast<Length *>(self);
}

/* name, type, flags, min, max, def, choices, help, children */
const il_option options[] = {
    { "field", IL_OPT_STRING, IL_OPT_REQUIRED, 0, 0, nullptr, nullptr,
      "Where the text is.", nullptr },
    { "max", IL_OPT_INT, 0, 0, 1000000, "100", nullptr,
      "Most bytes that it may have.", nullptr },
    IL_OPTIONS_END
};

} // namespace

IL_PLUGIN = {
    IL_PLUGIN_ABI,          .kind = IL_STEP,
    .threads = IL_PARALLEL, .name = "example.length",
    .version = "1.0",       .summary = "Refuse events whose text is too long.",
    .options = options,     .open = open,
    .process = process,     .close = close,
};
