# Chooses a slot and starts it. U-Boot runs this as boot.scr; @WORDS@ are filled in per board.
#
# Which slot comes first, and how many tries each has left, lies in two raw sectors before the
# first partition (numbers here are hexadecimal): a sector is an environment of U-Boot with its
# checksum. They are written one after the other, the one that was not read first, so that one is
# whole whenever the power fails; no file system is ever written from here. A slot that is not in the
# order is being written. The program has the same rules (src/update/boot/slots.rs).
setexpr state_address ${scriptaddr} + 0x20000
${devtype} dev ${devnum}
setenv state
setenv first @STATE_1@
setenv second @STATE_2@
for copy in @STATE_1@ @STATE_2@; do
  if test -z "${state}"; then
    setenv BOOT_ORDER
    setenv BOOT_A_LEFT
    setenv BOOT_B_LEFT
    setenv valid
    if ${devtype} read ${state_address} ${copy} 1 && env import -c ${state_address} 0x200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; then
      for digit in 0 1 2 3 4 5 6 7 8 9; do
        if test "${BOOT_A_LEFT}" = "${digit}"; then setenv valid ${valid}a; fi
        if test "${BOOT_B_LEFT}" = "${digit}"; then setenv valid ${valid}b; fi
      done
      if test "${BOOT_ORDER}" = "A B" || test "${BOOT_ORDER}" = "B A"; then setenv valid ${valid}o; fi
      if test "${BOOT_ORDER}" = "A" || test "${BOOT_ORDER}" = "B" || test "${BOOT_ORDER}" = "R"; then setenv valid ${valid}o; fi
    fi
    if test "${valid}" = "abo" || test "${valid}" = "bao"; then setenv state ${copy}; fi
  fi
done
if test "${state}" = "@STATE_1@"; then
  setenv first @STATE_2@
  setenv second @STATE_1@
fi
# A text file that a developer may put on the first partition: extra_arguments=...
setenv extra_arguments
if test -e ${devtype} ${devnum}:1 extra.env; then
  load ${devtype} ${devnum}:1 ${state_address} extra.env
  env import -t ${state_address} ${filesize} extra_arguments
fi
# RAUC writes a slot that it does not take for the one that runs. From R that has to be A.
setenv slot_A 'setenv slot A; setenv slot_part @PART_A@; setenv slot_uuid @UUID_A@; setenv slot_words'
setenv slot_B 'setenv slot B; setenv slot_part @PART_B@; setenv slot_uuid @UUID_B@; setenv slot_words'
setenv slot_R 'setenv slot R; setenv slot_part @PART_R@; setenv slot_uuid @UUID_R@; setenv slot_words rauc.slot=B'
setenv take_A 'setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1; run write_state; run slot_A'
setenv take_B 'setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1; run write_state; run slot_B'
setenv write_state 'env export -c -s 0x200 ${state_address} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; ${devtype} write ${state_address} ${first} 1; ${devtype} write ${state_address} ${second} 1'
setenv kernel_address @KERNEL_ADDRESS@
setenv ramdisk_address @RAMDISK_ADDRESS@
# Comes back where the slot has no kernel that can be started.
setenv start 'echo "hemoscope: slot ${slot}, tries left A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}"; setenv bootargs "root=PARTUUID=${slot_uuid} ro hemoscope.slot=${slot} hemoscope.bus=${devtype} ${slot_words} console=@CONSOLE@ quiet loglevel=3 vt.global_cursor_default=0 panic=5 ${extra_arguments}"; load ${devtype} ${devnum}:${slot_part} ${kernel_address} /boot/Image && load ${devtype} ${devnum}:${slot_part} ${ramdisk_address} /boot/initramfs && booti ${kernel_address} ${ramdisk_address}:${filesize} @DEVICE_TREE@; echo "hemoscope: slot ${slot} cannot be loaded"'
if test -n "${state}"; then
  for candidate in ${BOOT_ORDER}; do
    if test "${candidate}" = "A" && test ${BOOT_A_LEFT} -gt 0; then
      run take_A
      run start
    fi
    if test "${candidate}" = "B" && test ${BOOT_B_LEFT} -gt 0; then
      run take_B
      run start
    fi
  done
else
  echo "hemoscope: neither copy of the boot state can be read"
fi
# The factory's system. Without the state nobody knows which of the others is whole.
run slot_R
run start
# Not even that one: a board that may start is better than none.
for candidate in A B; do
  run slot_${candidate}
  run start
done
echo "hemoscope: no slot can be loaded, starting again"
sleep 3
reset
