// SPDX-License-Identifier: MIT
//! What a step in Rust needs of <ingestlayer/plugin.h>, by hand.
//!
//! Every entry of the function table stands here, in its order, for the table's
//! layout; those that nobody here calls have no signature yet (`Unused`): give
//! them one from the header when you do.  Structures likewise.
#![allow(dead_code)]

use std::os::raw::{c_char, c_int, c_void};

pub const ABI_MAJOR: u16 = 1;
pub const ABI_MINOR: u16 = 0;

pub const STEP: u16 = 2;
pub const SERIAL_INSTANCE: u32 = 0;
pub const OPT_INT: u32 = 2;
pub const LOG_INFO: c_int = 3;
pub const STRING: u32 = 6;
pub const FIELD_ANY: c_int = 2;
pub const UNIT_NONE: c_int = 0;

pub const EINVAL: c_int = 22;
pub const ENOMEM: c_int = 12;

// Objects of the host.  The first three begin with the function table.
#[repr(C)]
pub struct Host {
    pub api: *const Api,
}
#[repr(C)]
pub struct Conf {
    pub api: *const Api,
}
#[repr(C)]
pub struct Batch {
    pub api: *const Api,
}
#[repr(C)]
pub struct Field {
    opaque: [u8; 0],
}
#[repr(C)]
pub struct Counter {
    opaque: [u8; 0],
}

/// A view of one value; `num` is a union of an i64 and a u64.
#[repr(C)]
pub struct Value {
    pub kind: u32,
    pub count: u32,
    pub num: u64,
    pub str: *const c_char,
    pub len: usize,
}

/// One option.  A table of these ends with `Option_::END`.
#[repr(C)]
pub struct Option_ {
    pub name: *const c_char,
    pub kind: u32,
    pub flags: u32,
    pub min: i64,
    pub max: i64,
    pub def: *const c_char,
    pub choices: *const c_char,
    pub help: *const c_char,
    pub children: *const Option_,
}

impl Option_ {
    pub const END: Option_ = Option_ {
        name: std::ptr::null(),
        kind: 0,
        flags: 0,
        min: 0,
        max: 0,
        def: std::ptr::null(),
        choices: std::ptr::null(),
        help: std::ptr::null(),
        children: std::ptr::null(),
    };
}

pub type Open = unsafe extern "C" fn(*const Host, *const Conf, *mut *mut c_void) -> c_int;
pub type Process = unsafe extern "C" fn(*mut c_void, *mut Batch) -> c_int;
pub type Close = unsafe extern "C" fn(*mut c_void);
pub type Unused = Option<unsafe extern "C" fn()>;

/// The descriptor.
#[repr(C)]
pub struct Plugin {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub option_size: u32,
    pub api_size: u32,
    pub needs_minor: u16,
    pub kind: u16,
    pub threads: u32,
    pub flags: u32,
    pub in_flight: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub summary: *const c_char,
    pub options: *const Option_,
    pub open: Option<Open>,
    pub start: Unused,
    pub process: Option<Process>,
    pub write: Unused,
    pub resume: Unused,
    pub settled: Unused,
    pub room: Unused,
    pub flush: Unused,
    pub stop: Unused,
    pub close: Option<Close>,
    pub ddl: Unused,
    pub probe: Unused,
    pub render: Unused,
    pub show: Unused,
    pub describe: Unused,
    pub assume: Unused,
    pub find: Unused,
    pub replay: Unused,
    pub plan: Unused,
    pub apply: Unused,
}

// Constant data: texts and functions.
unsafe impl Sync for Plugin {}
unsafe impl Sync for Option_ {}

/// The function table.
#[repr(C)]
pub struct Api {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub instance: Unused,
    pub name: Unused,
    pub lane: Unused,
    pub state_dir: Unused,
    pub cancelled: Unused,
    pub log_level: Unused,
    pub log_text: unsafe extern "C" fn(*const Host, c_int, *const c_char, usize),
    pub status_text: Unused,
    pub now_us: Unused,
    pub monotonic_us: Unused,
    pub timer_every: Unused,
    pub timer_once: Unused,
    pub counter_new: unsafe extern "C" fn(*const Host, *const c_char, c_int, *const c_char) -> *mut Counter,
    pub counter_add: unsafe extern "C" fn(*mut Counter, u64),
    pub gauge_new: Unused,
    pub gauge_set: Unused,
    pub equal: Unused,
    pub conf_has: Unused,
    pub conf_count: Unused,
    pub conf_str: Unused,
    pub conf_int: unsafe extern "C" fn(*const Conf, *const c_char, usize) -> i64,
    pub conf_number: Unused,
    pub conf_group: Unused,
    pub conf_error_text: Unused,
    pub declared_field: Unused,
    pub declared_at: Unused,
    pub field_from: Unused,
    pub field_parse: Unused,
    pub field_named: unsafe extern "C" fn(*const Host, c_int, *const c_char, *mut *mut Field) -> c_int,
    pub field_free: unsafe extern "C" fn(*mut Field),
    pub expr_from: Unused,
    pub expr_true: Unused,
    pub expr_free: Unused,
    pub template_from: Unused,
    pub template_render: Unused,
    pub template_pieces: Unused,
    pub template_free: Unused,
    pub place_from: Unused,
    pub place_parse: Unused,
    pub place_named: Unused,
    pub place_free: Unused,
    pub row_new: Unused,
    pub row_read: Unused,
    pub row_free: Unused,
    pub batch_count: unsafe extern "C" fn(*const Batch) -> u32,
    pub batch_id: Unused,
    pub batch_last: Unused,
    pub batch_position: Unused,
    pub batch_origin: Unused,
    pub batch_flags: Unused,
    pub batch_alloc: Unused,
    pub live: unsafe extern "C" fn(*const Batch, u32) -> c_int,
    pub get: unsafe extern "C" fn(*mut Batch, u32, *const Field, *mut Value) -> c_int,
    pub drop: unsafe extern "C" fn(*mut Batch, u32) -> c_int,
    pub set: Unused,
    pub remove: Unused,
    pub set_payload: Unused,
    pub reject: Unused,
    pub unreject: Unused,
    pub keep: Unused,
    pub done: Unused,
    pub defer: Unused,
    pub again: Unused,
    pub waits: Unused,
    pub prepare: Unused,
    pub settle: Unused,
    pub hold_off: Unused,
    pub pause: Unused,
    pub intake: Unused,
    pub item: Unused,
    pub text_new: Unused,
    pub text_reserve: Unused,
    pub text_free: Unused,
    pub read_json: Unused,
    pub write_json: Unused,
    pub write_msgpack: Unused,
    pub sender_from: Unused,
    pub route_add: Unused,
    pub request_method: Unused,
    pub request_path: Unused,
    pub request_query: Unused,
    pub request_header: Unused,
    pub request_each_header: Unused,
    pub request_peer: Unused,
    pub request_body: Unused,
    pub request_json: Unused,
    pub request_sender: Unused,
    pub request_decline: Unused,
    pub request_refuse_text: Unused,
    pub request_receipt: Unused,
    pub request_ingest: Unused,
    pub request_emit: Unused,
    pub request_entities: Unused,
    pub respond_header: Unused,
    pub respond: Unused,
    pub respond_error_text: Unused,
    pub kind_named: Unused,
    pub entity_find: Unused,
    pub entity_hint: Unused,
    pub entity_attach: Unused,
    pub entity_put: Unused,
    pub entity_upsert: Unused,
    pub mirror_from: Unused,
    pub mirror_state: Unused,
    pub mirror_write: Unused,
    pub mirror_gone: Unused,
    pub memory_from: Unused,
    pub memory_get: Unused,
    pub memory_hint: Unused,
    pub memory_put: Unused,
    pub memory_forget: Unused,
    pub stream_us: Unused,
    pub result_kind: Unused,
    pub derives: Unused,
    pub derive: Unused,
    pub emit: Unused,
    pub mark_get: Unused,
    pub mark_each: Unused,
}

/// A text of the plugin's own that ends with NUL.
macro_rules! text {
    ($text:expr) => {
        concat!($text, "\0").as_ptr() as *const c_char
    };
}
pub(crate) use text;
